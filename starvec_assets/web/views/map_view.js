// The map of repositories: near each other what the same people star. Beside it the list of what is in view.

import { combobox } from "../combobox.js";
import { announce, errorMessage, formatCount, formatMegabytes, h, pluralize, replace } from "../dom.js";
import { downloadProgress, downloadSizeNote, isOnDevice } from "../download_progress.js";
import { mapHref, parseMapAddress } from "../map/address.js";
import { surroundingsZoom } from "../map/camera.js";
import { levelAt, shortLabel } from "../map/labels.js";
import { loadMap, MAP_FILE } from "../map/map_data.js";
import { MapStage } from "../map/map_stage.js";
import { litRows, placedRows, rowsNearDeveloper, topClusters } from "../map/people.js";
import { boxOf, placeOfRow } from "../map/points.js";
import { clusterHues, colourRows, HIDDEN, HUES, OTHERS } from "../map/theme.js";
import { repoList } from "../repo_list.js";
import { developerHref, downloadSize, similarHref } from "../state.js";
import { clusterTrend } from "../trend_line.js";

/** @import { Developer } from "../engine/model.js" */
/** @import { MapAddress } from "../map/address.js" */
/** @import { Box } from "../map/camera.js" */
/** @import { MapData } from "../map/map_data.js" */
/** @import { LitRows } from "../map/overlay.js" */
/** @import { App } from "../state.js" */

const SETTLED_MS = 250; // without movement, after which list and address follow
const SPACING_MS = 1500; // without movement, after which what is in view is announced
const MAX_LEGEND = 10;
const ZOOM_BUTTON = 0.75;

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters see map/address.js
 */
export function mapView(app, signal, parameters) {
  const body = h("div", {}, h("p", { class: "hint", role: "status" }, `Loading the map, ${mapSize(app)} …`));
  const open = async () => {
    try {
      const [map] = await Promise.all([loadMap(app.model), app.catalogue.namesReady, app.catalogue.columnsReady]);
      await new Promise((resolve) => setTimeout(resolve)); // parsing was a long task, this one begins another
      if (!signal.aborted) new MapPage(app, map, signal, parseMapAddress(parameters)).open(body);
    } catch (error) {
      const retry = h("button", { type: "button", onclick: open }, "Try again");
      if (!signal.aborted) replace(body, h("p", { class: "error", role: "alert" }, errorMessage(error), " ", retry));
    }
  };
  open();
  return [h("section", { class: "map-view" }, h("h1", { tabindex: -1 }, "Map"), body)];
}

/** @param {App} app */
const mapSize = (app) => formatMegabytes(downloadSize(app, [MAP_FILE]));

/** Everything of the view that needs the map. */
class MapPage {
  #app;
  #map;
  #signal;
  #address;
  #stage;
  #hues;
  /** Rows that the filters of the list exclude have -Infinity. @type {Float32Array | null} */
  #bias = null;
  #refreshList = () => {};
  #settled = 0;
  #announced = 0;
  #status = h("p", { class: "map-status" });
  #legend = h("ul", { class: "map-legend" });
  #card = h("div", { class: "map-card", hidden: true });
  #people = h("div", { class: "map-people" });
  #showOwn = true;

  /**
   * @param {App} app
   * @param {MapData} map
   * @param {AbortSignal} signal
   * @param {MapAddress} address
   */
  constructor(app, map, signal, address) {
    this.#app = app;
    this.#map = map;
    this.#signal = signal;
    this.#address = address;
    this.#hues = clusterHues(map);
    this.#stage = new MapStage(map, {
      signal,
      label:
        "Map of repositories. Arrow keys move it, plus and minus zoom, Home shows all of it, Enter names what is in the middle. What is in view is listed below",
      nameOf: (row) => app.catalogue.names[row],
      describe: (row) => this.#describe(row),
      onMove: () => this.#onMove(),
      onSelect: (row) => this.#select(row),
      onCluster: ({ level, index }) => this.#goToCluster(level, index),
    });
    signal.addEventListener("abort", () => {
      clearTimeout(this.#settled);
      clearTimeout(this.#announced);
    });
  }

  /** Show the map in `body`. @param {Element} body */
  open(body) {
    const { element } = this.#stage;
    element.append(this.#zoomButtons(), this.#card);
    replace(
      body,
      h("div", { class: "map-tools" }, this.#searchField(), this.#colourControl()),
      h(
        "div",
        { class: "map-layout" },
        h("div", { class: "map-column" }, element, this.#legend),
        h("div", { class: "map-side" }, this.#people, h("h2", {}, "In view"), this.#status, this.#list()),
      ),
      this.#note(),
    );
    this.#colour();
    this.#renderPeople();
    this.#showAddress();
  }

  /** Show what the address names, at once. */
  #showAddress() {
    const { place, at, cluster } = this.#address;
    const row = at ? this.#app.catalogue.indexOfName(at) : -1;
    const found = cluster && this.#map.levels[cluster.level]?.findIndex(({ id }) => id === cluster.id);
    this.#stage.show({ x: 0.5, y: 0.5, zoom: 0 });
    requestAnimationFrame(() => {
      // The stage has its size now, on which the zoom that shows a cluster depends.
      if (this.#signal.aborted) return;
      const hasPlace = row >= 0 && placedRows(this.#map, [row]).length > 0;
      if (hasPlace) this.#stage.show({ ...placeOfRow(this.#map, row), zoom: surroundingsZoom(this.#map.m) });
      else if (cluster && found !== null && found !== undefined && found >= 0) {
        this.#stage.show(this.#stage.camera.placeOf(this.#boxOfCluster(cluster.level, found)));
        this.#markCluster(cluster.level, found);
      }
      if (place) this.#stage.show(place);
      if (hasPlace) this.#mark(row);
      else if (at) this.#showMissing(at, row);
    });
  }

  #onMove() {
    clearTimeout(this.#settled);
    clearTimeout(this.#announced);
    this.#settled = setTimeout(() => this.#settle(), SETTLED_MS);
  }

  /** Let list, legend and address follow the view. */
  #settle() {
    this.#address.place = this.#stage.camera.place;
    history.replaceState(history.state, "", mapHref(this.#address));
    this.#refreshList();
    const summary = this.#summary();
    if (this.#status.textContent && this.#status.textContent !== summary)
      this.#announced = setTimeout(() => announce(summary), SPACING_MS - SETTLED_MS);
    this.#status.textContent = summary;
  }

  /** How many repositories are in view, and of which fields. */
  #summary() {
    const rows = this.#stage.rowsInView;
    const level = levelAt(this.#map, this.#stage.camera.zoom);
    const labels = this.#map.levels[level].map(({ label }) => shortLabel(label));
    const fields = topClusters(this.#map, rows, level, 3).map(({ cluster }) => labels[cluster]);
    const count = pluralize(rows.length, "repository", "repositories");
    this.#renderLegend(rows);
    return rows.length ? `${count}. Largest fields: ${fields.join("; ")}` : "No repository is here";
  }

  #list() {
    return repoList(this.#app, {
      id: "map",
      signal: this.#signal,
      exact: Promise.resolve(),
      scoreLabel: "",
      label: "Repositories in view, most starred first",
      needsVectors: false,
      emptyNote: "No repository in view passes these filters: zoom out, or allow more languages or fewer stars.",
      onCreate: (refresh) => {
        this.#refreshList = refresh;
      },
      search: async (bias, k) => {
        if (this.#bias || bias) {
          this.#bias = bias;
          this.#colour();
          this.#status.textContent = this.#summary();
        }
        const indices = this.#stage.rowsInView.slice(0, k);
        return { indices, cosines: new Float32Array(indices.length), exact: true };
      },
      actions: (row) => [
        this.#link("on the map", { at: this.#app.catalogue.names[row] }, () => this.#goToRow(row), {
          "aria-label": `${this.#app.catalogue.names[row]} on the map`,
        }),
      ],
    });
  }

  /**
   * A link to a place of the map that moves it there.
   * @param {string | Node} content
   * @param {Partial<MapAddress>} address
   * @param {() => void} go
   * @param {Record<string, string>} [properties]
   */
  #link(content, address, go, properties = {}) {
    const onclick = (/** @type {Event} */ event) => {
      const { ctrlKey, metaKey, shiftKey } = /** @type {MouseEvent} */ (event);
      if (ctrlKey || metaKey || shiftKey) return;
      event.preventDefault();
      go();
    };
    const { person, colouring } = this.#address;
    return h("a", { href: mapHref({ person, colouring, ...address }), onclick, ...properties }, content);
  }

  #searchField() {
    return combobox(this.#app, {
      id: "repository",
      label: "Find on the map",
      button: "Go there",
      onChoose: (row) => this.#goToRow(row),
      onMissing: (name) => this.#showMissing(name, -1),
    });
  }

  #colourControl() {
    const select = h(
      "select",
      {
        id: "map-colour",
        onchange: () => {
          this.#address.colouring = select.value === "language" ? "language" : "field";
          this.#colour();
          this.#settle();
        },
      },
      h("option", { value: "field" }, "field"),
      h("option", { value: "language" }, "language"),
    );
    select.value = this.#address.colouring;
    return h("div", { class: "map-colour" }, h("label", { for: select.id }, "Colour by"), select);
  }

  /** Hue of each language, by name. */
  #languageHues() {
    return new Map(
      this.#app.model.languages
        .filter(Boolean)
        .slice(0, HUES)
        .map((language, hue) => [language, hue]),
    );
  }

  /** Colour the points, and hide those that the filters exclude. */
  #colour() {
    const { catalogue } = this.#app;
    const languages = this.#languageHues();
    const [clusters] = this.#map.clusters;
    const byLanguage = (/** @type {number} */ row) => languages.get(catalogue.language(row)) ?? OTHERS;
    const byField = (/** @type {number} */ row) => this.#hues[clusters[row]];
    const codeOf = this.#address.colouring === "language" ? byLanguage : byField;
    const bias = this.#bias;
    this.#stage.setCodes(colourRows(this.#map, (row) => (bias && bias[row] === -Infinity ? HIDDEN : codeOf(row))));
  }

  /** What the colours in view mean. @param {Uint32Array} rows in view */
  #renderLegend(rows) {
    const swatch = (/** @type {number} */ hue) => h("span", { class: `swatch hue-${hue}`, "aria-hidden": "true" });
    if (this.#address.colouring === "language") {
      const languages = [...this.#languageHues()].map(([language, hue]) => h("li", {}, swatch(hue), language));
      return replace(this.#legend, ...languages, h("li", {}, swatch(OTHERS), "others and none"));
    }
    replace(
      this.#legend,
      ...topClusters(this.#map, rows, 0, MAX_LEGEND).map(({ cluster }) => {
        const { id, label } = this.#map.levels[0][cluster];
        const content = h("span", {}, swatch(this.#hues[cluster]), shortLabel(label));
        return h(
          "li",
          {},
          this.#link(content, { cluster: { level: 0, id } }, () => this.#goToCluster(0, cluster)),
        );
      }),
    );
  }

  #zoomButtons() {
    const { camera } = this.#stage;
    const button = (/** @type {string} */ text, /** @type {string} */ label, /** @type {() => void} */ onclick) =>
      h("button", { type: "button", class: "quiet", "aria-label": label, title: label, onclick }, text);
    const zoom = (/** @type {number} */ steps) => this.#stage.flyTo({ ...camera.place, zoom: camera.zoom + steps });
    return h(
      "div",
      { class: "map-buttons" },
      button("+", "Zoom in", () => zoom(ZOOM_BUTTON)),
      button("−", "Zoom out", () => zoom(-ZOOM_BUTTON)),
      button("⤢", "Show all of the map", () => this.#stage.flyTo({ x: 0.5, y: 0.5, zoom: 0 })),
    );
  }

  /** What the map shows, and what it leaves out. */
  #note() {
    const { m, placed } = this.#map;
    const left = this.#app.model.n - placed;
    return h(
      "p",
      { class: "hint" },
      `${formatCount(placed)} repositories. Near each other lie those that the same people star; far distances mean little. `,
      "Larger points have more stars. Drag or use the arrow keys to move, the wheel, two fingers or + and − to zoom. ",
      left > 0 &&
        `${pluralize(left, "repository", "repositories")} of ${formatCount(this.#app.model.n)} without a place ${left === 1 ? "is" : "are"} left out: too few people starred them${m < this.#app.model.n - this.#app.model.placed ? ", or the map holds only the most starred" : ""}.`,
    );
  }

  /** Name, language and stars, for the note beside the mouse. @param {number} row */
  #describe(row) {
    const { catalogue } = this.#app;
    const facts = [catalogue.language(row), `${formatCount(catalogue.stars[row])} ★`].filter(Boolean).join(" · ");
    return [h("strong", {}, catalogue.names[row]), h("span", {}, facts), h("span", {}, catalogue.description(row))];
  }

  /** Choose a repository of the map, -1 for none. @param {number} row */
  #select(row) {
    this.#mark(row);
    if (row >= 0) announce(this.#app.catalogue.names[row]);
    this.#settle();
  }

  /** Put a ring around a repository and show what it is. @param {number} row */
  #mark(row) {
    const name = row < 0 ? "" : this.#app.catalogue.names[row];
    this.#address = { ...this.#address, at: name, cluster: null };
    this.#stage.select(row);
    this.#card.hidden = row < 0;
    if (row < 0) return;
    const [, facts, description] = this.#describe(row);
    const like = h("a", { href: similarHref([name]), "aria-label": `what is like it: ${name}` }, "what is like it");
    const github = h("a", { href: `https://github.com/${name}`, rel: "noopener noreferrer" }, "on GitHub");
    replace(
      this.#card,
      this.#closeButton(),
      h("p", {}, h("strong", {}, name)),
      h("p", {}, facts),
      h("p", { class: "about" }, description),
      this.#fieldLink(this.#map.clusters[this.#fieldLevel][row]),
      h("p", { class: "links" }, like, github),
    );
  }

  #closeButton() {
    const onclick = () => this.#select(-1);
    return h("button", { type: "button", class: "quiet", "aria-label": "Close", onclick }, "×");
  }

  /**
   * Show what a cluster is, with the curve of its stars: of a large one the sum of its fields, of a small one its field.
   * @param {number} level
   * @param {number} cluster position in the level
   */
  #markCluster(level, cluster) {
    const { label, size, parent } = this.#map.levels[level][cluster];
    const fields = this.#map.levels[this.#fieldLevel];
    const members = level < this.#fieldLevel ? fields.filter((field) => field.parent === cluster) : [fields[cluster]];
    this.#card.hidden = false;
    replace(
      this.#card,
      this.#closeButton(),
      h("p", {}, h("strong", {}, label)),
      h("p", {}, pluralize(size, "repository", "repositories")),
      level > this.#fieldLevel
        ? this.#fieldLink(parent)
        : clusterTrend(
            this.#app,
            this.#signal,
            members.map(({ id }) => id),
          ),
    );
  }

  /** Level of the clusters that are called fields, and of which trends have curves. */
  get #fieldLevel() {
    return Math.min(1, this.#map.levels.length - 1);
  }

  /** Link to a field. @param {number} cluster position in its level */
  #fieldLink(cluster) {
    const level = this.#fieldLevel;
    const { id, label } = this.#map.levels[level][cluster];
    return h(
      "p",
      {},
      "in ",
      this.#link(label, { cluster: { level, id } }, () => this.#goToCluster(level, cluster)),
    );
  }

  /**
   * Move to a place that becomes an entry of the history.
   * @param {Partial<MapAddress>} address
   * @param {() => void} go
   */
  #visit(address, go) {
    history.pushState({ entryId: Math.random() }, "", mapHref({ ...this.#address, place: null, ...address }));
    go();
    this.#stage.element.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} row */
  #goToRow(row) {
    const name = this.#app.catalogue.names[row];
    if (!placedRows(this.#map, [row]).length) return this.#showMissing(name, row);
    this.#visit({ at: name, cluster: null }, () => {
      this.#mark(row);
      const zoom = Math.max(surroundingsZoom(this.#map.m), this.#stage.camera.zoom);
      this.#stage.flyTo({ ...placeOfRow(this.#map, row), zoom });
    });
  }

  /**
   * @param {number} level
   * @param {number} cluster position in the level
   */
  #goToCluster(level, cluster) {
    const address = { cluster: { level, id: this.#map.levels[level][cluster].id }, at: "" };
    this.#visit(address, () => {
      this.#mark(-1);
      this.#address = { ...this.#address, ...address };
      this.#markCluster(level, cluster);
      this.#stage.flyTo(this.#stage.camera.placeOf(this.#boxOfCluster(level, cluster)));
    });
  }

  /**
   * @param {number} level
   * @param {number} cluster
   * @returns {Box}
   */
  #boxOfCluster(level, cluster) {
    const clusters = this.#map.clusters[level];
    const rows = [...clusters.keys()].filter((row) => clusters[row] === cluster);
    const { x, y } = this.#map.levels[level][cluster];
    return rows.length ? boxOf(this.#map, rows) : { left: x, right: x, top: y, bottom: y };
  }

  /**
   * Say that a repository is not on the map, with those that are called like it.
   * @param {string} name
   * @param {number} row of the bundle, -1 if it is not in it
   */
  #showMissing(name, row) {
    const nearest = row < 0 ? (this.#app.nameIndex?.nearest(name) ?? []) : [];
    const links = placedRows(
      this.#map,
      nearest.map(({ index }) => index),
    ).slice(0, 3);
    this.#stage.select(-1);
    this.#card.hidden = false;
    replace(
      this.#card,
      this.#closeButton(),
      h(
        "p",
        { role: "status" },
        h("strong", {}, name),
        row < 0 ? " is not among the repositories known here." : " has no place on the map: too few people starred it.",
      ),
      row >= 0 && h("p", {}, h("a", { href: similarHref([name]) }, "what is like it")),
      links.length > 0 && h("p", {}, "Nearest by name: "),
      ...Array.from(links, (other) => {
        const known = this.#app.catalogue.names[other];
        return h(
          "p",
          {},
          this.#link(known, { at: known }, () => this.#goToRow(other)),
        );
      }),
    );
  }

  /** The current user's stars, and a developer beside. */
  #renderPeople() {
    const { currentUser, people } = this.#app;
    const own = currentUser ? placedRows(this.#map, currentUser.starred) : new Uint32Array(0);
    const developer = people.developers.find(({ login }) => login.toLowerCase() === this.#address.person.toLowerCase());
    const beside = h("div", {});
    const toggle = h("input", {
      type: "checkbox",
      id: "map-own",
      checked: this.#showOwn,
      onchange: () => {
        this.#showOwn = toggle.checked;
        this.#renderPeople();
      },
    });
    replace(
      this.#people,
      currentUser
        ? h(
            "p",
            {},
            h("label", { for: toggle.id }, toggle, ` Light up my stars (${formatCount(own.length)} on the map)`),
          )
        : h("p", {}, h("a", { href: "#/user" }, "Look up your login"), " to see your stars here."),
      this.#showOwn && own.length > 0 && this.#whereTheyLie(own),
      people.developers.length > 0 && this.#developerControl(developer),
      beside,
    );
    const lit = this.#showOwn && own.length ? [litRows(this.#map, own, "own", "you are here")] : [];
    this.#stage.setLit(lit);
    if (developer) this.#showDeveloper(developer, beside, lit);
  }

  /** @param {Developer | undefined} chosen */
  #developerControl(chosen) {
    const select = h(
      "select",
      {
        id: "map-with",
        onchange: () => {
          this.#address.person = select.value;
          this.#renderPeople();
          this.#settle();
        },
      },
      h("option", { value: "" }, "nobody"),
      ...this.#app.people.developers.map(({ login, name }) => h("option", { value: login }, name)),
    );
    select.value = chosen?.login ?? "";
    return h("p", { class: "map-with" }, h("label", { for: select.id }, "A developer"), " ", select);
  }

  /**
   * Light up what stands for a developer's stars.
   * @param {Developer} developer
   * @param {Element} element to say in what it is
   * @param {LitRows[]} lit of the current user
   */
  async #showDeveloper(developer, element, lit) {
    const { engine } = this.#app;
    if (!this.#app.downloadConsented && !(await isOnDevice(this.#app, false))) {
      const consent = () => {
        this.#app.downloadConsented = true;
        this.#renderPeople();
      };
      const button = h("button", { type: "button", onclick: consent }, `Show ${developer.name}`);
      return replace(element, downloadSizeNote(this.#app), button);
    }
    engine.download();
    replace(element, downloadProgress(this.#app, this.#signal));
    const rows = placedRows(this.#map, await rowsNearDeveloper(this.#app, developer));
    if (this.#signal.aborted || this.#address.person !== developer.login || !rows.length) return;
    this.#stage.setLit([...lit, litRows(this.#map, rows, "other", developer.name)]);
    replace(
      element,
      h(
        "p",
        { class: "hint" },
        `The ${formatCount(rows.length)} repositories nearest to what `,
        h("a", { href: developerHref(developer.login) }, developer.name),
        " stars. Which ones those are is not known here.",
      ),
      this.#whereTheyLie(rows),
    );
  }

  /** The fields to which most of a person's repositories belong, as links. @param {Uint32Array} rows */
  #whereTheyLie(rows) {
    const level = this.#fieldLevel;
    const fields = topClusters(this.#map, rows, level, 3).map(({ cluster, count }) => {
      const { id, label } = this.#map.levels[level][cluster];
      const link = this.#link(label, { cluster: { level, id } }, () => this.#goToCluster(level, cluster));
      return h("li", {}, link, ` ${formatCount(count)}`);
    });
    return h("ul", { class: "map-fields" }, ...fields);
  }
}
