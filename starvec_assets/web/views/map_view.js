// The map of repositories: near each other what the same people star. Beside it the list of what is in view.

import { combobox } from "../combobox.js";
import { announce, errorMessage, formatCount, formatMegabytes, formatStars, h, pluralize, replace } from "../dom.js";
import { downloadProgress, downloadSizeNote, isOnDevice } from "../download_progress.js";
import { MAP_FILE } from "../engine/model.js";
import { withFilters } from "../list_filters.js";
import { mapHref, parseMapAddress } from "../map/address.js";
import { surroundingsZoom } from "../map/camera.js";
import { levelAt, shortLabel } from "../map/labels.js";
import { loadMap } from "../map/map_data.js";
import { MapNames } from "../map/map_names.js";
import { MapStage } from "../map/map_stage.js";
import { litRows, placedRows, rowsNearDeveloper, topClusters } from "../map/people.js";
import { boxOf, placeOfRow } from "../map/points.js";
import { clusterHues, colourRows, HIDDEN, HUES, OTHERS } from "../map/theme.js";
import { repoList } from "../repo_list.js";
import { developerHref, downloadSize, similarHref } from "../state.js";
import { clusterTrend } from "../trend_line.js";

/** @import { Repository } from "../engine/catalogue.js" */
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
      const address = parseMapAddress(parameters);
      const [map, [repository]] = await Promise.all([
        loadMap(app.model),
        address.at ? app.engine.repositoriesNamed([address.at]) : [null],
      ]);
      await new Promise((resolve) => setTimeout(resolve)); // parsing was a long task, this one begins another
      if (!signal.aborted) new MapPage(app, map, signal, address).open(body, repository);
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

/** Name, language and stars, and description. @param {Repository} repository */
function describe({ name, language, stars, description }) {
  const facts = [language, formatStars(stars)].filter(Boolean).join(" · ");
  return [h("strong", {}, name), h("span", {}, facts), h("span", {}, description)];
}

/** Everything of the view that needs the map. */
class MapPage {
  #app;
  #map;
  #signal;
  #address;
  #stage;
  #hues;
  /** [n] of 0 and 1: the rows that pass the filters of the list; null where all do. @type {Uint8Array | null} */
  #allowed = null;
  /** [n], once they are asked for. @type {Uint16Array | null} */
  #languageCodes = null;
  #latestChosen = 0;
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
    const names = new MapNames(app.engine, () => this.#stage.redraw());
    this.#stage = new MapStage(map, {
      signal,
      label:
        "Map of repositories. Arrow keys move it, plus and minus zoom, Home shows all of it, Enter names what is in the middle. What is in view is listed below",
      nameOf: (row) => names.get(row),
      describe: async (row) => describe((await app.engine.repositories([row]))[0]),
      onMove: () => this.#onMove(),
      onSelect: (row) => this.#select(row),
      onCluster: ({ level, index }) => this.#goToCluster(level, index),
    });
    signal.addEventListener("abort", () => {
      clearTimeout(this.#settled);
      clearTimeout(this.#announced);
    });
  }

  /**
   * Show the map in `body`.
   * @param {Element} body
   * @param {Repository | null} repository that the address names
   */
  open(body, repository) {
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
    this.#showAddress(repository);
  }

  /** Show what the address names, at once. @param {Repository | null} repository */
  #showAddress(repository) {
    const { place, at, cluster } = this.#address;
    const found = cluster && this.#map.levels[cluster.level]?.findIndex(({ id }) => id === cluster.id);
    this.#stage.show({ x: 0.5, y: 0.5, zoom: 0 });
    requestAnimationFrame(() => {
      // The stage has its size now, on which the zoom that shows a cluster depends.
      if (this.#signal.aborted) return;
      const placed = repository && placedRows(this.#map, [repository.row]).length > 0 ? repository : null;
      if (placed) this.#stage.show({ ...placeOfRow(this.#map, placed.row), zoom: surroundingsZoom(this.#map.m) });
      else if (cluster && found !== null && found !== undefined && found >= 0) {
        this.#stage.show(this.#stage.camera.placeOf(this.#boxOfCluster(cluster.level, found)));
        this.#markCluster(cluster.level, found);
      }
      if (place) this.#stage.show(place);
      if (placed) this.#mark(placed);
      else if (at) this.#showMissing(at, repository);
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
    history.replaceState(history.state, "", withFilters(mapHref(this.#address), this.#app.filters));
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
      scoreLabel: "",
      label: "Repositories in view, most starred first",
      needsVectors: false,
      emptyNote: "No repository in view passes these filters: zoom out, or allow more languages or fewer stars.",
      onCreate: (refresh) => {
        this.#refreshList = refresh;
      },
      search: async (filter, k) => {
        const allowed = await this.#app.engine.allowedRows(filter);
        if (this.#allowed || allowed) {
          this.#allowed = allowed;
          this.#colour();
          this.#status.textContent = this.#summary();
        }
        const indices = this.#stage.rowsInView.slice(0, k);
        return { indices, cosines: new Float32Array(indices.length), exact: true };
      },
      actions: (repository) => {
        const { name } = repository;
        const go = () => this.#goToRepository(repository);
        return [this.#link("on the map", { at: name }, go, { "aria-label": `${name} on the map` })];
      },
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
      onChoose: (repository) => this.#goToRepository(repository),
      onMissing: (name) => this.#showMissing(name, null),
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
    const hues = this.#languageHues();
    const hueOf = Uint8Array.from(this.#app.model.languages, (language) => hues.get(language) ?? OTHERS);
    const [clusters] = this.#map.clusters;
    const languages = this.#languageCodes;
    const byLanguage = (/** @type {number} */ row) => (languages ? hueOf[languages[row]] : OTHERS);
    const byField = (/** @type {number} */ row) => this.#hues[clusters[row]];
    const isByLanguage = this.#address.colouring === "language";
    const codeOf = isByLanguage ? byLanguage : byField;
    const allowed = this.#allowed;
    this.#stage.setCodes(colourRows(this.#map, (row) => (allowed && !allowed[row] ? HIDDEN : codeOf(row))));
    if (isByLanguage && !languages) this.#loadLanguages().catch(() => {}); // all are of the colour of the others
  }

  async #loadLanguages() {
    this.#languageCodes = await this.#app.engine.languageCodes();
    if (!this.#signal.aborted) this.#colour();
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

  /** Choose a repository of the map, -1 for none. @param {number} row */
  async #select(row) {
    const number = ++this.#latestChosen;
    const [repository = null] = row < 0 ? [] : await this.#app.engine.repositories([row]);
    if (number !== this.#latestChosen || this.#signal.aborted) return;
    this.#mark(repository);
    if (repository) announce(repository.name);
    this.#settle();
  }

  /** Put a ring around a repository and show what it is. @param {Repository | null} repository */
  #mark(repository) {
    this.#latestChosen++;
    this.#address = { ...this.#address, at: repository?.name ?? "", cluster: null };
    this.#stage.select(repository ? repository.row : -1);
    this.#card.hidden = !repository;
    if (!repository) return;
    const { row, name } = repository;
    const [, facts, description] = describe(repository);
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

  /** @param {Repository} repository */
  #goToRepository(repository) {
    const { row, name } = repository;
    if (!placedRows(this.#map, [row]).length) {
      this.#showMissing(name, repository);
      return;
    }
    this.#visit({ at: name, cluster: null }, () => {
      this.#mark(repository);
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
      this.#mark(null);
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
   * @param {Repository | null} repository null if it is not in the bundle
   */
  async #showMissing(name, repository) {
    const number = ++this.#latestChosen;
    const nearest = repository ? [] : await this.#app.engine.nearestNames(name);
    if (number !== this.#latestChosen || this.#signal.aborted) return;
    const links = nearest.filter(({ row }) => placedRows(this.#map, [row]).length).slice(0, 3);
    this.#stage.select(-1);
    this.#card.hidden = false;
    replace(
      this.#card,
      this.#closeButton(),
      h(
        "p",
        { role: "status" },
        h("strong", {}, name),
        repository
          ? " has no place on the map: too few people starred it."
          : " is not among the repositories known here.",
      ),
      repository && h("p", {}, h("a", { href: similarHref([name]) }, "what is like it")),
      links.length > 0 && h("p", {}, "Nearest by name: "),
      ...links.map((other) =>
        h(
          "p",
          {},
          this.#link(other.name, { at: other.name }, () => this.#goToRepository(other)),
        ),
      ),
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
