"""The map: places of links, keyboard, the list of what is in view, people, and maps that are damaged or missing."""

import gzip
import itertools
import json
import math
import re
import urllib.parse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from page_helpers import Host, Reference, StarsApi, open_page, release, submit_login, wait_until

ANNOUNCED = "[...document.querySelectorAll('#announcer p')].map((item) => item.textContent)"
STATUS = "document.querySelector('.map-status')?.textContent"
MAP_MODULES = """async (base) => {
  const load = (name) => import(`${base}modules/map/${name}.js`);
  const { loadModel } = await import(base + "modules/engine/model.js");
  const model = await loadModel(new URL("data/", base));
  const modules = ["map_data", "camera", "labels", "theme", "points", "renderer_webgl", "renderer_canvas"];
  globalThis.lib = Object.assign({}, ...(await Promise.all(modules.map(load))));
  globalThis.map = await lib.loadMap(model, new URL("data/", base));
}"""


class MapFile:
    """data/map.gz as Python reads it."""

    def __init__(self, bundle: Path):
        content = gzip.decompress((bundle / "data/map.gz").read_bytes())
        start = 4 + int.from_bytes(content[:4], "little")
        self.header = json.loads(content[4:start])
        m = self.header["repositories"]
        self.places = np.frombuffer(content, "<u2", 2 * m, start).reshape(m, 2) / 65535
        self.clusters = np.frombuffer(content, "<u2", m, start + 4 * m)

    def in_view(self, address: str, width: float, height: float) -> list[int]:
        """Rows that a stage of this size shows at the place that an address names, most starred first."""
        place = {key: float(value[0]) for key, value in urllib.parse.parse_qs(address.partition("?")[2]).items()}
        scale = 0.94 * min(width, height) * 2 ** place["z"]
        inside = np.abs(self.places - [place["x"], place["y"]]) <= np.array([width, height]) / scale / 2
        return np.flatnonzero(inside.all(axis=1) & (self.clusters != 65535)).tolist()


@pytest.fixture(scope="module")
def map_file(bundle: Path) -> MapFile:
    return MapFile(bundle)


def open_map(visitor: Any, site: str, fragment: str = "#/map", stars: Any = None) -> Any:
    page = open_page(visitor, site, fragment, stars)
    wait_until(page, STATUS)
    return page


def settled(page: Any, before: str) -> str:
    """Address of the page once it no longer is `before`."""
    wait_until(page, f"location.hash !== {json.dumps(before)}")
    return str(page.evaluate("() => location.hash"))


def listed(page: Any) -> list[str]:
    wait_until(page, "!document.querySelector('.results[aria-busy]')")
    return list(page.eval_on_selector_all(".result h3", "items => items.map((item) => item.textContent)"))


def test_map_is_walked_by_keys_and_the_list_is_of_what_is_in_view(
    visitor: Any, site: str, reference: Reference, map_file: MapFile
):
    page = open_map(visitor, site)
    everything = len(reference.names) - 1
    assert page.evaluate(f"() => {STATUS}").startswith(f"{everything:,} repositories. Largest fields: ")
    assert listed(page) == reference.names[:15], "the most starred first"
    page.focus(".map-stage")
    address = page.evaluate("() => location.hash")
    for key in ("+", "+", "+", "ArrowRight", "ArrowUp", "-"):
        page.keyboard.press(key)
    address = settled(page, address)
    size = page.eval_on_selector(".map-stage", "e => [e.clientWidth, e.clientHeight]")
    rows = map_file.in_view(address, *size)
    assert 0 < len(rows) < everything
    wait_until(page, f"{STATUS}.startsWith('{len(rows):,} repositor')")
    assert listed(page) == [reference.names[row] for row in rows[:15]]
    wait_until(page, f"{ANNOUNCED}.includes({STATUS})")
    assert len(page.evaluate(f"() => {ANNOUNCED}")) == 1, "six keys are announced once"
    page.keyboard.press("Home")
    settled(page, address)
    assert page.evaluate("() => location.hash") == "#/map?x=0.5000&y=0.5000&z=0.00"
    assert page.errors == []


def test_enter_names_what_is_in_the_middle(visitor: Any, site: str, reference: Reference, map_file: MapFile):
    row = 7
    x, y = map_file.places[row]
    page = open_map(visitor, site, f"#/map?x={x:.4f}&y={y:.4f}&z=8")
    page.focus(".map-stage")
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-card:not([hidden])")
    nearest = np.linalg.norm(map_file.places - [round(x, 4), round(y, 4)], axis=1).argmin()
    assert reference.names[nearest] in page.inner_text(".map-card")
    wait_until(page, f"{ANNOUNCED}.includes({json.dumps(reference.names[nearest])})")


def test_links_name_a_repository_a_cluster_and_a_place(
    visitor: Any, site: str, reference: Reference, map_file: MapFile
):
    page = open_map(visitor, site, "#/map?at=Pandas-dev/PANDAS")
    page.wait_for_selector(".map-card:has-text('pandas-dev/pandas')")
    row = reference.names.index("pandas-dev/pandas")
    shown = urllib.parse.parse_qs(settled(page, "#/map?at=Pandas-dev/PANDAS").partition("?")[2])
    assert shown["at"] == ["pandas-dev/pandas"]
    assert [float(shown["x"][0]), float(shown["y"][0])] == pytest.approx(map_file.places[row], abs=1e-4)

    cluster = map_file.header["levels"][0]["ids"][1]
    page.goto(f"{site}#/map?cluster=0-{cluster}")
    address = settled(page, f"#/map?cluster=0-{cluster}")
    size = page.eval_on_selector(".map-stage", "e => [e.clientWidth, e.clientHeight]")
    parents = [map_file.header["levels"][level]["parents"] for level in (1, 2)]
    of_cluster = [i for i, parent in enumerate(parents[1]) if parents[0][parent] == 1]
    members = np.flatnonzero(np.isin(map_file.clusters, of_cluster))
    rest = address.replace(f"cluster=0-{cluster}&", "")
    assert np.isin(members, map_file.in_view(rest, *size)).mean() >= 0.8

    page.goto(f"{site}#/map?x=0.25&y=7&z=-3")
    settled(page, "#/map?x=0.25&y=7&z=-3")
    assert page.evaluate("() => location.hash") == "#/map?x=0.2500&y=1.0000&z=0.00", "moved into the map"
    for nonsense in ("x=a&y=&z=1", "cluster=9-9", "cluster=0-999999", "at=no/such", "with=nobody"):
        page.goto(f"{site}#/map?{nonsense}")
        wait_until(page, STATUS)
    assert page.errors == []


def test_search_flies_to_a_repository_and_back_returns(
    visitor: Any, site: str, map_file: MapFile, reference: Reference
):
    page = open_map(visitor, site, "#/map?x=0.4000&y=0.6000&z=1.00")
    page.fill("#repository", "pandas-dev/pandas")
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-card:has-text('pandas-dev/pandas')")
    x, y = map_file.places[reference.names.index("pandas-dev/pandas")]
    zoom = math.log2(len(reference.names) / 30) / 2
    wait_until(page, f"location.hash === '#/map?at=pandas-dev/pandas&x={x:.4f}&y={y:.4f}&z={zoom:.2f}'")
    page.go_back()
    wait_until(page, "location.hash === '#/map?x=0.4000&y=0.6000&z=1.00'")
    page.wait_for_selector(".map-card[hidden]", state="attached")
    page.fill("#repository", "pandas/panda")
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-card:has-text('is not among the repositories known here')")
    page.click(".map-card a:has-text('pandas-dev/pandas')")
    page.wait_for_selector(".map-card:has-text('what is like it')")


def test_mouse_and_wheel_move_the_map_and_a_click_names_a_repository(
    visitor: Any, site: str, reference: Reference, map_file: MapFile
):
    x, y = map_file.places[0]
    page = open_map(visitor, site, f"#/map?x={x:.4f}&y={y:.4f}&z=8.00")
    box = page.locator(".map-stage").bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*centre)
    page.wait_for_selector(f".map-tooltip:has-text('{reference.names[0]}')")
    page.mouse.click(*centre)
    page.wait_for_selector(f".map-card:has-text('{reference.names[0]}')")
    before = settled(page, f"#/map?x={x:.4f}&y={y:.4f}&z=8.00")
    page.mouse.wheel(0, 400)
    zoomed = settled(page, before)
    assert "z=7.20" in zoomed
    page.mouse.down()
    page.mouse.move(centre[0] + 100, centre[1] + 50)
    page.mouse.up()
    moved = urllib.parse.parse_qs(settled(page, zoomed).partition("?")[2])
    scale = 0.94 * min(box["width"], box["height"]) * 2**7.2
    assert float(moved["x"][0]) == pytest.approx(x - 100 / scale, abs=2e-4)
    assert float(moved["y"][0]) == pytest.approx(y - 50 / scale, abs=2e-4)


def test_two_fingers_zoom_and_a_double_tap_zooms_in(browser: Any, visitor: Any, site: str):
    page = open_map(visitor, site)
    page.emulate_media(reduced_motion="reduce")
    fingers = """(moves) => {
      const stage = document.querySelector(".map-stage");
      const { left, top } = stage.getBoundingClientRect();
      stage.setPointerCapture = () => {}; // these pointers are not the browser's
      for (const [type, pointerId, x, y] of moves)
        stage.dispatchEvent(new PointerEvent(type, { pointerId, pointerType: "touch", button: 0, bubbles: true,
          clientX: left + x, clientY: top + y }));
    }"""
    before = page.evaluate("() => location.hash")
    page.evaluate(
        fingers,
        [
            *(["pointerdown", 1, 100, 100], ["pointerdown", 2, 200, 100], ["pointermove", 2, 300, 100]),
            *(["pointerup", 1, 100, 100], ["pointerup", 2, 300, 100]),
        ],
    )
    pinched = settled(page, before)
    assert "z=1.00" in pinched, "twice as far apart is twice as large"
    page.evaluate(fingers, 2 * [["pointerdown", 1, 150, 150], ["pointerup", 1, 150, 150]])
    wait_until(page, "location.hash.includes('z=2.00')")  # there may be a way to it


def test_filters_hide_repositories_from_map_and_list(visitor: Any, site: str, reference: Reference):
    page = open_map(visitor, site)
    page.select_option("#map-language", "Rust")
    rust = [row for row, language in enumerate(reference.languages[:-1]) if language == "Rust"]
    wait_until(page, f"{STATUS}.startsWith('{len(rust)} repositories')")
    assert listed(page) == [reference.names[row] for row in rust[:15]]
    page.select_option("#map-language", "")
    wait_until(page, f"{STATUS}.startsWith('{len(reference.names) - 1:,} repositories')")
    page.select_option("#map-colour", "language")
    page.wait_for_selector(".map-legend:has-text('others and none')")
    assert "colour=language" in page.evaluate("() => location.hash")


def test_own_stars_are_lit_and_a_developer_beside_says_what_is_shown(visitor: Any, site: str, reference: Reference):
    last = len(reference.names) - 1  # has no place
    api = StarsApi({"octocat": reference.starred([*range(40, 90), last])})
    developer = reference.people["developers"][0]
    page = open_map(visitor, site, "#/map", api)
    assert "Look up your login to see your stars here" in page.inner_text(".map-people")
    page.goto(site + "#/user")
    submit_login(page, "octocat")
    page.wait_for_selector("h1:has-text('octocat')")
    page.goto(site + "#/map")
    page.wait_for_selector(".map-people:has-text('Light up my stars (50 on the map)')")
    counts = re.findall(r"(\d+)$", page.inner_text(".map-fields"), re.M)
    assert sum(map(int, counts)) <= 50
    page.select_option("#map-with", developer["login"])
    page.wait_for_selector(f".map-people .hint:has-text('{developer['name']}')")
    assert "Which ones those are is not known here." in page.inner_text(".map-people")
    assert f"with={developer['login']}" in page.evaluate("() => location.hash")
    page.uncheck("#map-own")
    page.wait_for_selector(".map-fields >> nth=0")
    assert page.errors == []


def test_a_repositorys_page_shows_its_surroundings_with_a_link(visitor: Any, site: str, reference: Reference):
    page = open_page(visitor, site, "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector(".surroundings a[aria-label^='pandas-dev/pandas on the map, in ']")
    page.click(".surroundings a")
    page.wait_for_selector(".map-card:has-text('pandas-dev/pandas')")
    without = reference.names[-1]
    page.goto(f"{site}#/similar?plus={without}")
    page.wait_for_selector("li.result")
    assert page.locator(".surroundings a").count() == 0, "has no place"
    page.goto(f"{site}#/map?at={without}")
    page.wait_for_selector(".map-card:has-text('has no place on the map')")


def test_labels_are_text_and_never_markup(visitor: Any, site: str, map_file: MapFile):
    hostile = next(label for label in map_file.header["levels"][1]["labels"] if "<img" in label)
    cluster = map_file.header["levels"][1]["labels"].index(hostile)
    page = open_map(visitor, site, f"#/map?cluster=1-{map_file.header['levels'][1]['ids'][cluster]}")
    row = int(np.flatnonzero(np.array(map_file.header["levels"][2]["parents"])[map_file.clusters[:-1]] == cluster)[0])
    page.goto(f"{site}#/map?x={map_file.places[row][0]:.4f}&y={map_file.places[row][1]:.4f}&z=8")
    wait_until(page, STATUS)
    page.focus(".map-stage")
    page.keyboard.press("Enter")
    page.wait_for_selector(".map-card a:has-text('<img src=x')")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator(".map-view img").count() == 0
    assert page.errors == []


def test_a_damaged_map_is_one_sentence_and_the_rest_of_the_page_works(visitor: Any, site: str, bundle: Path):
    content = (bundle / "data/map.gz").read_bytes()
    damaged = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    visitor.context.route("**/map.gz?*", lambda route: route.fulfill(body=damaged))
    page = open_page(visitor, site, "#/map")
    page.wait_for_selector(".map-view .error:has-text('map.gz is damaged: reload the page.')")
    page.click(".map-view .error button")
    page.wait_for_selector(".map-view .error:has-text('map.gz')")
    page.click("nav a:has-text('Profile')")
    page.wait_for_selector("#login")
    page.goto(page.url.partition("#")[0] + "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("li.result")


BROKEN = {
    "short": ("bytes.slice(0, 6)", "is cut off"),
    "no rows": ("bytes.slice(0, bytes.byteLength - 2)", "holds"),
    "header past the end": ("patched((view) => view.setUint32(0, 4e9, true))", "is cut off or is of another format"),
    "no JSON": ("patched((view) => view.setUint8(5, 255))", "holds no JSON"),
    "too many rows": ("written({ ...content, repositories: 1e6 })", "repositories is not from 1 to"),
    "no levels": ("written({ ...content, levels: [] })", "has no clusters"),
    "uneven lists": ("written(level({ labels: [] }))", "labels are not"),
    "labels of numbers": ("written(level({ labels: content.levels[0].ids }))", "a label is not a text"),
    "a label too long": ("written(level({ labels: content.levels[0].ids.map(() => 'x'.repeat(81)) }))", "a label"),
    "a place outside": ("written(level({ x: content.levels[0].x.map(() => -1) }))", "place of a label is not from 0"),
    "a parent that is none": ("written(level({ parents: content.levels[1].ids.map(() => 999) }, 1))", "parent of a"),
    "a cluster that is none": ("patched((view) => view.setUint16(bytes.byteLength - 4, 9999, true))", "not listed"),
}


@pytest.mark.parametrize(("change", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_broken_maps_are_refused_with_a_sentence(visitor: Any, bundle: Path, site: str, change: str, message: str):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    content = list(gzip.decompress((bundle / "data/map.gz").read_bytes()))
    refused = page.evaluate(
        """async ([base, values]) => {
          const { parseMap } = await import(base + "modules/map/map_data.js");
          const bytes = Uint8Array.from(values).buffer;
          const start = 4 + new DataView(bytes).getUint32(0, true);
          const content = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, start - 4)));
          const patched = (change) => { const copy = bytes.slice(); change(new DataView(copy)); return copy; };
          const level = (lists, i = 0) =>
            ({ ...content, levels: content.levels.map((l, j) => (i === j ? { ...l, ...lists } : l)) });
          const written = (json) => {
            const header = new TextEncoder().encode(JSON.stringify(json));
            const length = Math.ceil(header.length / 4) * 4;
            const copy = new Uint8Array(4 + length + bytes.byteLength - start).fill(32);
            new DataView(copy.buffer).setUint32(0, length, true);
            copy.set(header, 4);
            copy.set(new Uint8Array(bytes, start), 4 + length);
            return copy.buffer;
          };
          const n = content.repositories;
          parseMap(written(content), { n }); // what is not broken passes
          try {
            parseMap(CHANGE, { n });
            return "accepted";
          } catch (error) {
            return `${error.constructor.name}: ${error.message}`;
          }
        }""".replace("CHANGE", change),
        [site, content],
    )
    assert refused.startswith("BundleError: map.gz")
    assert message in refused


def test_bundle_without_a_map_has_no_link_to_it(visitor: Any, bundle_copy: Path, serve_folder: Any):
    (bundle_copy / "data/map.gz").unlink()
    release(bundle_copy)
    page = open_page(visitor, serve_folder(bundle_copy), "#/map")
    assert page.inner_text("h1") == "There is no map"
    assert page.locator("nav a:has-text('Map')").count() == 0
    page.goto(page.url.partition("#")[0] + "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("li.result")
    assert page.locator(".surroundings a").count() == 0
    assert page.errors == []


def test_map_opens_without_network_after_a_visit(visitor: Any, bundle: Path):
    host = Host(bundle)
    page = open_map(visitor, host.address)
    page.goto(host.address + "#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("#offline-status:has-text('This device has all of it')")
    host.close()
    page.goto(host.address + "#/map?at=pandas-dev/pandas")
    page.reload()
    page.wait_for_selector(".map-card:has-text('pandas-dev/pandas')")


@pytest.mark.only_chromium(reason="Playwright emulates no forced colours in Firefox")
def test_system_colours_replace_the_palette_where_they_are_forced(visitor: Any, site: str):
    page = open_map(visitor, site)
    read = """async () => {
      const { readTheme } = await import("./modules/map/theme.js");
      const { palette, paper, ink } = readTheme(document.querySelector(".map-stage"));
      const hues = new Set(palette.slice(0, 12).map(String)).size;
      return { hues, paper, ink, finite: palette.flat().every(Number.isFinite) };
    }"""
    free = page.evaluate(read)
    page.emulate_media(forced_colors="active", color_scheme="dark")
    forced = page.evaluate(read)
    assert free["hues"] == 12
    assert forced["hues"] == 1
    assert forced["finite"]
    assert forced["ink"] != f"rgb({', '.join(map(str, forced['paper']))})"


@pytest.mark.only_chromium(reason="Firefox has no WebGL without a graphics chip")
def test_both_renderers_draw_the_same_points(visitor: Any, site: str):
    page = visitor.context.new_page()
    page.add_init_script(
        "const { getParameter } = WebGL2RenderingContext.prototype;"
        "WebGL2RenderingContext.prototype.getParameter = function (name) {"
        " return name === 0x9246 || name === this.RENDERER ? 'a graphics chip' : getParameter.call(this, name); };"
    )
    page.goto(site + "data/model.json")
    page.evaluate(MAP_MODULES, site)
    differences = page.evaluate(
        """() => {
      const palette = Array.from({ length: lib.PALETTE_SIZE }, (_, i) => [20 * i, 250 - 20 * i, (90 * i) % 256]);
      const theme = { paper: [250, 250, 250], palette };
      const hues = lib.clusterHues(map);
      const codes = lib.colourRows(map, (row) => (row % 3 ? hues[map.clusters[0][row]] : lib.HIDDEN));
      const [width, height] = [300, 200];
      const camera = new lib.Camera();
      [camera.width, camera.height] = [width, height];
      const images = [lib.WebglRenderer, lib.CanvasRenderer].map((Renderer) => {
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        const renderer = new Renderer(canvas, map);
        renderer.setCodes(codes);
        return (place) => {
          camera.show(place);
          renderer.draw(camera, theme, 1);
          const flat = new OffscreenCanvas(width, height).getContext("2d");
          flat.drawImage(canvas, 0, 0);
          return flat.getImageData(0, 0, width, height).data;
        };
      });
      const first = lib.placeOfRow(map, 0);
      const places = [{ x: 0.5, y: 0.5, zoom: 0 }, { x: 0.45, y: 0.55, zoom: 1.5 }, { ...first, zoom: 4 }];
      return places.map((place) => {
        const [webgl, canvas] = images.map((draw) => draw(place));
        let [drawn, apart] = [0, 0];
        for (let i = 0; i < webgl.length; i += 4) {
          const far = (a, b) => Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2]);
          if (far(canvas, { [i]: 250, [i + 1]: 250, [i + 2]: 250 }) > 60) drawn++;
          apart += far(webgl, canvas) / 765;
        }
        return [drawn, apart / (webgl.length / 4)];
      });
    }"""
    )
    for drawn, apart in differences:
        assert drawn > 50
        assert apart < 0.03, "of black on white"


def test_cluster_labels_never_overlap_and_each_stays_once_it_has_appeared(visitor: Any, site: str):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    page.evaluate(MAP_MODULES, site)
    found = page.evaluate(
        """() => {
      const camera = new lib.Camera();
      [camera.width, camera.height] = [900, 700];
      const measure = (text, level) => 0.6 * lib.fontSize(level) * text.length;
      const labels = lib.clusterLabels(map, camera.fit, measure);
      const codes = new Uint8Array(map.m);
      const nameOf = (row) => `owner/repository-${row}`;
      const steps = Array.from({ length: 37 }, (_, i) => i / 4);
      return steps.map((zoom) => {
        camera.show({ x: 0.5, y: 0.5, zoom });
        const shown = lib.labelsInView(map, camera, codes, labels, nameOf, measure).map((label) => {
          const [left, top] = camera.toScreen(label.x, label.y);
          const [halfWidth, halfHeight] = [label.width / 2, label.height / 2];
          const centre = left + label.beside;
          return { ...label, left: centre - halfWidth, right: centre + halfWidth,
                   top: top + label.below - halfHeight, bottom: top + label.below + halfHeight };
        });
        const overlaps = shown.flatMap((a, i) => shown.slice(0, i).filter((b) =>
          a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom).map((b) => [a.text, b.text]));
        const finest = labels.filter(({ level, from }) => level === 2 && zoom >= from).map(({ index }) => index);
        return { zoom, shown: shown.length, overlaps, finest };
      });
    }"""
    )
    assert [step["overlaps"] for step in found if step["overlaps"]] == []
    assert sum(step["shown"] for step in found) > 80
    for before, after in itertools.pairwise(found):
        assert set(before["finest"]) <= set(after["finest"]), after["zoom"]


def test_label_that_an_edge_cuts_moves_into_the_view_or_is_not_shown(visitor: Any, site: str):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    page.evaluate(MAP_MODULES, site)
    alone, another_far, another_near, place_outside, cut_above = page.evaluate(
        """() => {
      const camera = new lib.Camera();
      [camera.width, camera.height] = [400, 400];
      camera.show({ x: 0.5, y: 0.5, zoom: 1 });
      const label = (left, width, top = 200) => {
        const [x, y] = camera.toMap(left, top);
        return { text: "label", level: 0, index: 0, x, y, beside: 0, below: 0, width, height: 16, from: 0, until: 4 };
      };
      const lefts = (...labels) => lib.labelsInView(map, camera, new Uint8Array(map.m), labels).map(
        ({ x, beside, width }) => Math.round(camera.toScreen(x, 0)[0] + beside - width / 2));
      const cut = label(20, 100);
      return [lefts(cut), lefts(cut, label(200, 80)), lefts(cut, label(130, 80)), lefts(label(-10, 100)),
        lefts(label(200, 100, 5))];
    }"""
    )
    assert len(alone) == 1
    assert 0 <= alone[0] <= 10
    assert another_far == [alone[0], 160]
    assert another_near == [90], "there is no room for both"
    assert place_outside == cut_above == []


def test_flights_begin_and_end_where_they_should_and_far_ones_rise(visitor: Any, site: str):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    ways = page.evaluate(
        """async (base) => {
      const { flight } = await import(base + "modules/map/camera.js");
      const ends = [
        [{ x: 0.1, y: 0.2, zoom: 6 }, { x: 0.9, y: 0.7, zoom: 6 }],
        [{ x: 0.5, y: 0.5, zoom: 0 }, { x: 0.3, y: 0.3, zoom: 8 }],
        [{ x: 0.5, y: 0.5, zoom: 2 }, { x: 0.5, y: 0.5, zoom: 5 }],
        [{ x: 0.5, y: 0.5, zoom: 3 }, { x: 0.5, y: 0.5, zoom: 3 }],
      ];
      return ends.map(([from, to]) => {
        const { duration, at } = flight(from, to);
        return { from, to, duration, places: [0, 0.25, 0.5, 0.75, 1].map(at) };
      });
    }""",
        site,
    )
    for way in ways:
        for end, place in ((way["from"], way["places"][0]), (way["to"], way["places"][-1])):
            assert place == pytest.approx(end, abs=1e-6)
        assert all(math.isfinite(value) for place in way["places"] for value in place.values())
        assert 250 <= way["duration"] <= 1600
    assert ways[0]["places"][2]["zoom"] < 2, "a far flight shows what lies between"
