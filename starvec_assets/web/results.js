// A list of repositories with its filters: language, stars and, where it makes sense, niche or famous.

import { nearHref } from "./app.js";
import { announce, count, h, plural, replace, said } from "./dom.js";
import { downloadBar, sizeNote } from "./download.js";
import { NAME } from "./github.js";
import { biasOf } from "./profile.js";

const MOST = 50;
const FIRST = 15;

/**
 * @typedef {import('./app.js').App} App
 * @typedef {{indices: ArrayLike<number>, cosines: ArrayLike<number>, exact: boolean}} Found
 */

/**
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {AbortSignal} options.signal ends what is under way
 * @param {(bias: Float32Array | null, k: number) => Promise<Found>} options.search
 * @param {Promise<void>} options.exact when every bit of what is searched and of what is looked for is there
 * @param {ArrayLike<number>} [options.without] rows never shown
 * @param {boolean} [options.fame] offer the slider
 * @param {string} [options.measure] what the number before a repository is
 * @param {(rows: Uint32Array) => Promise<number[][]>} [options.why] rows that pull each in
 * @param {(row: number) => Node[]} [options.actions] buttons of a repository
 */
export function results(
  app,
  { id, signal, search, without = [], fame = false, measure = "similarity", why, actions, exact },
) {
  const list = h("ol", { class: "results", "aria-label": `Repositories by ${measure}` });
  const note = h("p", { class: "hint", role: "status" });
  const more = h("button", { type: "button", hidden: true, class: "quiet" });
  const gate = h("div", { class: "gate" });
  let shown = history.state?.all === id ? MOST : FIRST; // as it was when one comes back
  let turn = 0;
  let settled = false;
  let asked = false; // by hand, so whoever asked is told, whichever search answers
  /** @type {Found | null} */
  let found = null;
  /** @type {number[][]} */
  let reasons = [];

  const draw = () => {
    if (!found) return;
    const { indices, cosines } = found;
    const rows = Array.from(indices).slice(0, shown);
    replace(
      list,
      ...rows.map((row, i) => item(app, row, cosines[i], measure, reasons[i] ?? [], actions?.(row) ?? [])),
    );
    more.hidden = indices.length <= shown;
    more.textContent = `Show all ${indices.length}`;
    note.textContent = indices.length
      ? ""
      : "No repository passes these filters: allow more languages or fewer stars.";
  };
  // Who came by a link has not been told yet what it takes.
  const offer = () => {
    const go = () => {
      app.agreed = true;
      changed();
    };
    list.removeAttribute("aria-busy");
    replace(gate, sizeNote(app), h("button", { type: "button", onclick: go }, "Show the repositories"));
  };
  const refresh = async () => {
    const mine = ++turn;
    list.setAttribute("aria-busy", "true");
    try {
      if (!app.agreed && !(await app.engine.cached)) return mine === turn ? offer() : undefined;
      replace(gate); // also where something else was asked for meanwhile
      app.engine.download();
      await Promise.all([app.engine.ready, app.catalogue.namesReady, app.catalogue.columnsReady]);
      const { language, leastStars } = app.filters;
      const answer = await search(
        biasOf(app, { without, language, leastStars, fame: fame ? app.filters.fame : 0 }),
        MOST,
      );
      const pulls = why ? await why(Uint32Array.from(answer.indices)) : [];
      if (mine !== turn || signal.aborted) return;
      [found, reasons] = [answer, pulls];
      list.toggleAttribute("data-exact", settled && answer.exact);
      draw();
      if (asked) announce(plural(answer.indices.length, "repository", "repositories"));
      asked = false;
    } catch (error) {
      if (mine !== turn || signal.aborted) return;
      note.textContent = said(error);
    }
    list.removeAttribute("aria-busy");
  };
  more.addEventListener("click", () => {
    const first = shown;
    shown = MOST;
    history.replaceState({ ...history.state, all: id }, "");
    draw();
    /** @type {HTMLElement | null} */ (list.children[first]?.querySelector("a"))?.focus();
  });
  const changed = () => {
    asked = true;
    refresh();
  };

  refresh();
  exact.then(
    () => {
      settled = true;
      if (!signal.aborted) refresh();
    },
    () => {},
  );
  app.engine.ready
    .then(() => app.catalogue.describe())
    .then(
      () => !signal.aborted && draw(),
      () => {},
    );
  return h("div", {}, filters(app, id, fame, changed), gate, downloadBar(app, signal), note, list, more);
}

/**
 * @param {App} app
 * @param {string} id
 * @param {boolean} fame
 * @param {() => void} changed
 */
function filters(app, id, fame, changed) {
  const language = h("select", {
    id: `${id}-language`,
    onchange: () => ((app.filters.language = language.value), changed()),
  });
  const stars = h("select", {
    id: `${id}-stars`,
    onchange: () => ((app.filters.leastStars = Number(stars.value)), changed()),
  });
  language.append(h("option", { value: "" }, "any language"));
  stars.append(h("option", { value: "0" }, "any number"));
  app.catalogue.columnsReady.then(
    () => {
      const known = app.model.languages.filter(Boolean); // most frequent first
      language.append(...known.map((name) => h("option", { value: name }, name)));
      language.value = app.filters.language;
      const highest = app.catalogue.stars.reduce((most, x) => Math.max(most, x), 0);
      const steps = [10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000].filter((step) => step <= highest);
      stars.append(...steps.map((step) => h("option", { value: step }, `${count(step)} or more`)));
      stars.value = String(app.filters.leastStars);
    },
    () => {},
  );
  const slider = h("input", {
    id: `${id}-fame`,
    type: "range",
    min: -4,
    max: 4,
    step: 1,
    value: app.filters.fame,
    "aria-valuetext": spoken(app.filters.fame),
    oninput: () => slider.setAttribute("aria-valuetext", spoken(Number(slider.value))),
    onchange: () => ((app.filters.fame = Number(slider.value)), changed()),
  });
  return h(
    "div",
    { class: "filters" },
    fame &&
      h(
        "div",
        { class: "fame" },
        h("label", { for: `${id}-fame` }, "Fame"),
        h("span", { "aria-hidden": "true" }, "niche"),
        slider,
        h("span", { "aria-hidden": "true" }, "famous"),
      ),
    h("div", {}, h("label", { for: `${id}-language` }, "Language"), language),
    h("div", {}, h("label", { for: `${id}-stars` }, "Stars"), stars),
  );
}

/** @param {number} fame */
const spoken = (fame) =>
  fame < 0 ? `niche, ${-fame} of 4` : fame > 0 ? `famous, ${fame} of 4` : "neither niche nor famous";

/**
 * @param {App} app
 * @param {number} row
 * @param {number} cosine
 * @param {string} measure
 * @param {number[]} because
 * @param {Node[]} actions
 */
function item({ catalogue }, row, cosine, measure, because, actions) {
  const name = catalogue.names[row];
  const description = catalogue.description(row);
  const slash = name.indexOf("/") + 1;
  return h(
    "li",
    { class: "result" },
    h(
      "span",
      { class: "cosine", title: measure },
      h("span", { class: "visually-hidden" }, `${measure} `),
      cosine.toFixed(3),
    ),
    h(
      "div",
      {},
      h(
        "h3",
        {},
        h("a", { href: nearHref([name]) }, h("span", { class: "owner" }, name.slice(0, slash)), name.slice(slash)),
      ),
      description ? h("p", { class: "about" }, description) : !catalogue.described && h("p", { class: "about-comes" }),
      because.length > 0 &&
        h(
          "p",
          { class: "why" },
          "because of ",
          ...commas(
            because.map((other) => h("a", { href: nearHref([catalogue.names[other]]) }, catalogue.names[other])),
          ),
        ),
    ),
    h(
      "div",
      { class: "facts" },
      h(
        "p",
        {},
        h("span", {}, `${count(catalogue.stars[row])} ★`),
        catalogue.language(row) && h("span", {}, catalogue.language(row)),
      ),
      h(
        "p",
        {},
        ...actions,
        NAME.test(name) &&
          h(
            "a",
            { href: `https://github.com/${name}`, rel: "noopener noreferrer", "aria-label": `${name} on GitHub` },
            "on GitHub",
          ),
      ),
    ),
  );
}

/** @param {Node[]} items @returns {(Node | string)[]} */
const commas = (items) => items.flatMap((item, i) => (i ? [", ", item] : [item]));
