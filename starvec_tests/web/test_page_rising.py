"""What is rising: lists that are Python's, curves with gaps, addresses, and trends that are damaged or missing."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from page_helpers import Host, Reference, StarsApi, open_page, read_results, release, submit_login, wait_until

from starvec_assets.export.bundle import BundleInputs
from starvec_assets.trends.rankings import read_ranking

SHOWN = 15
READY = "document.querySelector('.rising .results:not([aria-busy])')"


def open_rising(visitor: Any, site: str, query: str = "", stars: Any = None) -> Any:
    page = open_page(visitor, site, f"#/rising{query}", stars)
    wait_until(page, READY)
    return page


def listed(page: Any) -> list[str]:
    wait_until(page, READY)
    return list(page.eval_on_selector_all(".result h3", "items => items.map((item) => item.textContent)"))


def names(inputs: BundleInputs, ranking: str, field: str = "", language: str = "") -> list[str]:
    found: list[str] = read_ranking(inputs.trends, ranking, field, language)["name"].to_pylist()
    return found


@pytest.mark.parametrize(
    ("query", "ranking"), [("", "rising"), ("?by=stars", "most_stars"), ("?by=bursts", "bursts")], ids=str
)
def test_lists_are_pythons_rankings(visitor: Any, site: str, inputs: BundleInputs, query: str, ranking: str):
    page = open_rising(visitor, site, query)
    assert listed(page) == names(inputs, ranking)[:SHOWN]
    first = read_ranking(inputs.trends, ranking).to_pylist()[0]
    text = page.inner_text(".result >> nth=0")
    assert f"{first['per_day']:.2g} stars a day ({first['low']:.2g} to {first['high']:.2g})" in text
    assert f"{first['total']:,} star" in text
    assert page.errors == []


def test_every_listed_repository_has_a_curve_with_its_gap_in_words(visitor: Any, site: str, inputs: BundleInputs):
    page = open_rising(visitor, site)
    labels = page.eval_on_selector_all(".result .sparkline", "all => all.map((one) => one.getAttribute('aria-label'))")
    assert len(labels) == SHOWN
    assert all("Feb 2024" in label and "1 of 24 months are gaps" in label for label in labels)
    first = page.locator(".result .sparkline >> nth=0")
    assert first.locator(".gap").count() == 1
    assert first.locator(".line").count() == 2, "the line is broken at the gap"
    text = page.inner_text("main")
    assert "Jun 2023 is a gap: the log has 12 % of its stars, as estimated from the months before." in text
    assert "Dec 2, 2023 to Feb 29, 2024. The stars are those of simulated people." in text


def test_filters_are_in_the_address_and_back_undoes_them(visitor: Any, site: str, inputs: BundleInputs):
    page = open_rising(visitor, site)
    page.select_option("#rising-field", "GenAI")
    wait_until(page, "location.hash === '#/rising?field=GenAI'")
    assert listed(page) == names(inputs, "rising", "GenAI")[:SHOWN]
    assert "GenAI: 12.6\u00a0% of the stars of all repositories in Feb 2024" in page.inner_text("figure")
    page.click("figure summary")
    rows = page.eval_on_selector_all("figure tr", "rows => rows.map((row) => row.innerText.split('\\t'))")
    assert ["Jun 2023", "gap"] in rows
    assert ["Mar 2022", "8.00\u00a0%"] in rows
    both = names(inputs, "rising", "GenAI", "Python")
    assert 0 < len(both) < len(names(inputs, "rising", "GenAI"))
    page.select_option("#rising-language", "Python")
    wait_until(page, "location.hash === '#/rising?field=GenAI&language=Python'")
    assert listed(page) == both[:SHOWN]
    page.go_back()
    wait_until(page, "location.hash === '#/rising?field=GenAI'")
    wait_until(page, "document.querySelector('#rising-language')?.value === ''")
    assert listed(page) == names(inputs, "rising", "GenAI")[:SHOWN]
    page.goto(f"{site}#/rising?age=36&by=stars")
    wait_until(page, "document.querySelector('#rising-age')?.value === '36'")
    young = [row["name"] for row in read_ranking(inputs.trends, "most_stars").to_pylist() if row["born"].year > 2020]
    assert young
    assert listed(page) == young[:SHOWN]
    page.goto(f"{site}#/rising?language=pYTHON&field=genai")
    wait_until(page, "document.querySelector('#rising-language')?.value === 'Python'")
    assert listed(page) == both[:SHOWN]
    page.goto(f"{site}#/rising?field=no+such&age=x&by=y")
    page.wait_for_selector(".unknown-name:has-text('no such is no field of these data.')")
    assert listed(page) == []
    assert page.errors == []


def test_rising_for_a_person_is_nearest_first_without_what_is_starred(
    visitor: Any, site: str, inputs: BundleInputs, reference: Reference
):
    rising = [reference.names.index(name) for name in names(inputs, "rising")]
    starred = [*range(30, 90), rising[3], rising[7]]
    page = open_page(visitor, site, "#/rising?for=you", StarsApi({"octocat": reference.starred(starred)}))
    page.wait_for_selector("#login")
    submit_login(page, "octocat")
    shown = [result["name"] for result in read_results(page)]
    only = np.isin(np.arange(len(reference.names)), rising)
    left = sum(row not in starred for row in rising)
    nearest = reference.nearest(reference.person(starred), min(left, SHOWN), starred, only)
    assert shown == [reference.names[row] for row in nearest]

    developer = reference.people["developers"][0]
    page.goto(f"{site}#/rising?like={developer['login'].upper()}")
    page.wait_for_selector(f"h2:has-text('Rising near to {developer['name']}')")
    shown = [result["name"] for result in read_results(page)]
    nearest = reference.nearest(reference.developer(developer["login"])["vector"], SHOWN, (), only)
    assert shown == [reference.names[row] for row in nearest]
    page.goto(f"{site}#/rising?like=nobody-here")
    page.wait_for_selector(".unknown-name:has-text('nobody-here is no developer')")
    assert page.errors == []


def test_a_cluster_of_the_map_has_its_curve_and_leads_to_what_rises_in_it(
    visitor: Any, site: str, inputs: BundleInputs
):
    fields = pq.read_table(inputs.trends / "fields.parquet").to_pylist()
    (hostile,) = {row["cluster"] for row in fields if row["field"].startswith("<img")}
    page = open_page(visitor, site, f"#/map?cluster=1-{hostile}")
    page.wait_for_selector(".map-card .sparkline")
    page.click(".map-card a:has-text('what is rising here')")
    wait_until(page, f"location.hash === '#/rising?field=cluster-{hostile}'")
    page.wait_for_selector("figure:has-text('<img src=x')")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("main img").count() == 0
    cluster = read_ranking(inputs.trends, "rising")["cluster"][0].as_py()
    page.goto(f"{site}#/rising?field=cluster-{cluster}")
    page.wait_for_selector(f"#rising-field:has(option:checked[value='cluster-{cluster}'])")
    inside = [row["name"] for row in read_ranking(inputs.trends, "rising").to_pylist() if row["cluster"] == cluster]
    assert listed(page) == inside[:SHOWN]
    page.goto(f"{site}#/map?cluster=0-0")
    page.wait_for_selector(".map-card .sparkline")
    assert page.errors == []


def test_a_repositorys_page_has_its_curve_and_trends_are_there_without_network(
    visitor: Any, bundle: Path, inputs: BundleInputs
):
    name = names(inputs, "rising")[0]
    host = Host(bundle)
    page = open_page(visitor, host.address, f"#/similar?plus={name}")
    page.wait_for_selector(".trend .sparkline")
    page.wait_for_selector("#offline-status:has-text('This device has all of it')")
    host.close()
    page.goto(f"{host.address}#/rising")
    page.reload()
    assert listed(page) == names(inputs, "rising")[:SHOWN]


def rewrite(bundle: Path, change: Callable[[dict[str, Any]], Any] | None) -> Path:
    """Change the JSON of trends.gz, and make the release that has it; None removes the file."""
    path = bundle / "data/trends.gz"
    if change is None:
        path.unlink()
    else:
        content = gzip.decompress(path.read_bytes())
        end = 4 + int.from_bytes(content[:4], "little")
        header = json.loads(content[4:end])
        rest = change(header)
        packed = json.dumps(header).encode()
        packed += b" " * (-len(packed) % 4)
        written = gzip.compress(len(packed).to_bytes(4, "little") + packed + (content[end:] if rest is None else rest))
        path.write_bytes(written)
    release(bundle)
    return bundle


def test_damaged_trends_are_one_sentence_and_the_rest_of_the_page_works(visitor: Any, site: str, bundle: Path):
    content = (bundle / "data/trends.gz").read_bytes()
    damaged = content[: len(content) // 2] + bytes(len(content) - len(content) // 2)
    visitor.context.route("**/trends.gz?*", lambda route: route.fulfill(body=damaged))
    page = open_page(visitor, site, "#/rising")
    page.wait_for_selector(".rising .error:has-text('trends.gz is damaged: reload the page.')")
    page.click(".rising .error button")
    page.wait_for_selector(".rising .error:has-text('trends.gz')")
    page.goto(f"{site}#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("li.result")
    assert page.locator(".trend").count() == 0


def test_a_bundle_without_trends_has_no_link_to_them(visitor: Any, bundle_copy: Path, serve_folder: Any):
    site = serve_folder(rewrite(bundle_copy, None))
    page = open_page(visitor, site, "#/rising")
    assert page.inner_text("h1") == "There are no trends"
    assert page.locator("nav a:has-text('Rising')").count() == 0
    page.goto(f"{site}#/map?cluster=1-1")
    page.wait_for_selector(".map-card:has-text('repositor')")
    page.goto(f"{site}#/similar?plus=pandas-dev/pandas")
    page.wait_for_selector("li.result")
    assert page.errors == []


def nothing_compared(header: dict[str, Any]) -> bytes:
    """All months are gaps: no window, empty rankings, curves of nothing."""
    months = header["months"]
    header |= {"window": None, "notes": ["nothing is compared: no month of the log counts"], "repositories": 0}
    header |= {"gaps": dict.fromkeys(months, "it was not ingested"), "stars": [None] * len(months)}
    for name in ("rising", "most_stars", "bursts"):
        header[name] = {column: [] for column in header[name]}
    header["fields"] = [field | {"share": [None] * len(months)} for field in header["fields"]]
    return b""


def one_month(header: dict[str, Any]) -> bytes:
    """One month counts: nothing is rising, and no curve shows a change."""
    header |= {"months": header["months"][-1:], "stars": header["stars"][-1:], "gaps": {}, "repositories": 1}
    header["notes"] = ["nothing is called rising: 1 month counts, 2 are needed"]
    header["rising"] = {column: [] for column in header["rising"]}
    header["fields"] = [field | {"share": field["share"][-1:]} for field in header["fields"]]
    return bytes(4) + bytes([40])


@pytest.mark.parametrize(
    ("change", "sentences"),
    [
        (nothing_compared, ["no month of the log counts", "Each month from Mar 2022 to Feb 2024 is a gap"]),
        (one_month, ["nothing is called rising: 1 month counts, 2 are needed"]),
    ],
    ids=["all months are gaps", "one month"],
)
def test_too_few_months_are_a_sentence(
    visitor: Any, bundle_copy: Path, serve_folder: Any, change: Any, sentences: list[str]
):
    page = open_rising(visitor, serve_folder(rewrite(bundle_copy, change)))
    assert listed(page) == []
    text = page.inner_text("main")
    for sentence in ["Nothing is listed: a repository needs 10 stars in the last 28 days", *sentences]:
        assert sentence in text
    assert page.locator(".sparkline").count() == 0
    assert page.errors == []


BROKEN = {
    "header past the end": ("patched((view) => view.setUint32(0, 4e9, true))", "is cut off or is of another format"),
    "no JSON": ("patched((view) => view.setUint8(5, 255))", "holds no JSON"),
    "no rows": ("bytes.slice(0, bytes.byteLength - 2)", "holds"),
    "rows outside": ("patched((view) => view.setUint32(start, 4e9, true))", "not in the bundle"),
    "too many repositories": ("written({ ...content, repositories: 1e6 })", "repositories is not from 0"),
    "a month that is none": ("written({ ...content, months: content.months.map(() => '2024-13') })", "YYYY-MM"),
    "a month less": ("written({ ...content, months: content.months.slice(1) })", "share is not a list of at most 23"),
    "no gaps": ("written({ ...content, gaps: null })", "gaps is not an object"),
    "a window of no days": ("written({ ...content, window: { first: 'x', last: 'y' } })", "a day"),
    "a kind unknown": ("written(field({ kind: 'x' }))", "of no kind"),
    "a name too long": ("written(field({ name: 'x'.repeat(201) }))", "name of a field"),
    "shares of text": ("written(field({ share: content.months.map(() => 'x') }))", "share is not a number"),
    "uneven columns": ("written(rising({ growth: [] }))", "growth are not"),
    "a row outside": ("written(rising({ row: content.rising.row.map(() => -1) }))", "row of a ranking"),
    "a pace of text": ("written(rising({ per_day: content.rising.row.map(() => 'x') }))", "per_day is not a number"),
}


def test_broken_trends_are_refused_with_a_sentence(visitor: Any, bundle: Path, site: str):
    page = visitor.context.new_page()
    page.goto(site + "data/model.json")
    cases = ", ".join(f"{json.dumps(name)}: () => {change}" for name, (change, _) in BROKEN.items())
    refused = page.evaluate(
        """async ([base, values]) => {
          const { Trends } = await import(base + "modules/trends_data.js");
          const { BundleError } = await import(base + "modules/engine/validate.js");
          const bytes = Uint8Array.from(values).buffer;
          const start = 4 + new DataView(bytes).getUint32(0, true);
          const content = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, start - 4)));
          const patched = (change) => { const copy = bytes.slice(); change(new DataView(copy)); return copy; };
          const field = (change) => ({ ...content, fields: content.fields.map((one) => ({ ...one, ...change })) });
          const rising = (change) => ({ ...content, rising: { ...content.rising, ...change } });
          const written = (json) => {
            const header = new TextEncoder().encode(JSON.stringify(json));
            const length = Math.ceil(header.length / 4) * 4;
            const copy = new Uint8Array(4 + length + bytes.byteLength - start).fill(32);
            new DataView(copy.buffer).setUint32(0, length, true);
            copy.set(header, 4);
            copy.set(new Uint8Array(bytes, start), 4 + length);
            return copy.buffer;
          };
          const model = { n: 3000 };
          new Trends(written(content), model); // what is not broken passes
          const answer = (broken) => {
            try {
              new Trends(broken(), model);
              return "accepted";
            } catch (error) {
              return error instanceof BundleError ? error.message : String(error.stack);
            }
          };
          return Object.fromEntries(Object.entries({ CASES }).map(([name, broken]) => [name, answer(broken)]));
        }""".replace("CASES", cases),
        [site, list(gzip.decompress((bundle / "data/trends.gz").read_bytes()))],
    )
    for name, (_, message) in BROKEN.items():
        assert refused[name].startswith("trends.gz"), name
        assert message in refused[name], name
