// Neighbours of a basket of repositories, and of what is taken away from it. The address holds the basket.

import { nearHref } from "../app.js";
import { combobox } from "../combobox.js";
import { chips, count, h, replace, said } from "../dom.js";
import { sizeNote } from "../download.js";
import { tidy } from "../names.js";
import { basketVector } from "../profile.js";
import { results } from "../results.js";

/** @typedef {import('../app.js').App} App */

const MOST = 20;

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters plus and minus: names, any number of each
 */
export function nearView(app, signal, parameters) {
  const names = (/** @type {string} */ sign) =>
    [
      ...new Set(
        parameters
          .getAll(sign)
          .filter(Boolean)
          .map((name) => name.slice(0, 200)),
      ),
    ].slice(0, MOST);
  const [plus, minus] = [names("plus"), names("minus")];
  const body = h("div", {}, h("p", { class: "hint", role: "status" }, "Loading names …"));
  const ask = combobox(app, {
    id: "repository",
    label: plus.length ? "Add another repository" : "A repository you know",
    hint: "Typos are forgiven. Arrow keys choose, Enter takes.",
    button: plus.length ? "Add" : "Find",
    onChoose: (row) => go([...plus.filter((name) => rowOf(app, name) >= 0), app.catalogue.names[row]], minus),
    onMissing: (text) => go([...plus, text.trim()], minus),
  });
  Promise.all([app.namesIndexed, app.catalogue.columnsReady]).then(
    () => !signal.aborted && fillIn(app, signal, body, plus, minus),
    (error) => replace(body, h("p", { class: "trouble", role: "alert" }, said(error))),
  );
  return [
    h(
      "section",
      { class: "near" },
      h(
        "h1",
        { tabindex: -1 },
        plus.length === 1 && !minus.length
          ? h("span", {}, "Like ", h("span", { class: "title-name" }, plus[0]))
          : plus.length
            ? "Like these together"
            : "Repositories alike",
      ),
      ask,
      body,
    ),
  ];
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Element} body
 * @param {string[]} plus
 * @param {string[]} minus
 */
function fillIn(app, signal, body, plus, minus) {
  const { catalogue } = app;
  const row = (/** @type {string} */ name) => rowOf(app, name);
  const missing = [...plus, ...minus].filter((name) => row(name) < 0);
  const known = (/** @type {string[]} */ names) => [
    ...new Set(names.filter((name) => row(name) >= 0).map((name) => catalogue.names[row(name)])),
  ];
  const [added, taken] = [known(plus), known(minus)];
  if (!plus.length && !minus.length) return replace(body, beginning(app));
  replace(
    body,
    ...missing.map((name) => unknown(app, name, added, taken)),
    (added.length > 1 || taken.length > 0) && basket(added, taken),
    !added.length &&
      taken.length > 0 &&
      h("p", { class: "hint", role: "status" }, "Something must be left to look near to: add a repository."),
    added.length === 1 && !taken.length && about(app, row(added[0])),
    ...(added.length ? neighbours(app, signal, added, taken) : []),
  );
}

/** @param {App} app */
function beginning(app) {
  return h(
    "div",
    {},
    h(
      "p",
      {},
      `Any of ${count(app.model.n)} repositories. Add several to find what they have in common; take some away to steer clear of them.`,
    ),
    h("h2", {}, "Most starred in the data"),
    h(
      "p",
      { class: "examples" },
      ...chips(app.catalogue.names.slice(0, 18).map((name) => [nearHref([name]), name])),
    ),
    sizeNote(app),
  );
}

/** @param {App} app @param {string} name @param {string[]} added @param {string[]} taken */
function unknown(app, name, added, taken) {
  const near = app.names?.nearest(name) ?? [];
  return h(
    "div",
    { class: "unknown", role: "status" },
    h("p", {}, h("strong", {}, name), ` is not among the ${count(app.model.n)} repositories known here.`),
    near.length > 0
      ? h(
          "p",
          { class: "examples" },
          "Nearest by name: ",
          ...chips(
            near.map(({ index }) => app.catalogue.names[index]).map((name) => [nearHref([...added, name], taken), name]),
          ),
        )
      : h("p", { class: "hint" }, "No name comes near it."),
  );
}

/** @param {string[]} added @param {string[]} taken */
function basket(added, taken) {
  const entry = (/** @type {string} */ name, /** @type {boolean} */ away) => {
    const others = (/** @type {string[]} */ names) => names.filter((other) => other !== name);
    return h(
      "li",
      { class: away ? "away" : "" },
      h(
        "span",
        { class: "sign" },
        h("span", { "aria-hidden": "true" }, away ? "−" : "+"),
        h("span", { class: "visually-hidden" }, away ? "less" : "with"),
      ),
      h("span", { class: "name" }, name),
      h(
        "a",
        { href: nearHref(others(added), others(taken)), "aria-label": `Put ${name} back`, title: "put back" },
        "×",
      ),
    );
  };
  return h(
    "ul",
    { class: "basket", "aria-label": "Basket" },
    ...added.map((name) => entry(name, false)),
    ...taken.map((name) => entry(name, true)),
  );
}

/** @param {App} app @param {number} row */
function about({ catalogue, engine }, row) {
  const words = h("p", { class: "lead" }, catalogue.description(row));
  engine.ready
    .then(() => catalogue.describe())
    .then(
      () => (words.textContent = catalogue.description(row)),
      () => {},
    );
  return h(
    "div",
    {},
    words,
    h(
      "p",
      { class: "facts" },
      catalogue.language(row) && h("span", {}, catalogue.language(row)),
      h("span", {}, `${count(catalogue.stars[row])} ★`),
    ),
  );
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string[]} added
 * @param {string[]} taken
 * @returns {Node[]}
 */
function neighbours(app, signal, added, taken) {
  const rows = (/** @type {string[]} */ names) => names.map((name) => app.catalogue.indexOfName(name));
  return [
    h("h2", { class: "visually-hidden" }, "Nearest repositories"),
    results(app, {
      id: "near",
      signal,
      without: [...rows(added), ...rows(taken)],
      exact: app.engine.exact,
      search: async (bias, k) => app.engine.search(await basketVector(app, rows(added), rows(taken)), { k, bias }),
      actions: (row) => {
        const name = app.catalogue.names[row];
        return [
          act("+", "add", name, nearHref([...added, name], taken)),
          act("−", "less of this", name, nearHref(added, [...taken, name])),
        ];
      },
    }),
  ];
}

/** Row of a name or of a repository's address, -1 where it is not known. @param {App} app @param {string} name */
function rowOf({ catalogue }, name) {
  const row = catalogue.indexOfName(name);
  return row >= 0 ? row : catalogue.indexOfName(tidy(name));
}

/** @param {string[]} plus @param {string[]} minus */
function go(plus, minus) {
  location.hash = nearHref(
    [...new Set(plus)],
    minus.filter((name) => !plus.includes(name)),
  );
}

/** @param {string} sign @param {string} does @param {string} name @param {string} href */
const act = (sign, does, name, href) =>
  h("a", { href, "aria-label": `${does}: ${name}` }, h("span", { "aria-hidden": "true" }, `${sign} `), does);
