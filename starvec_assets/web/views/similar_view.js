// Nearest neighbours of a basket of repositories, some added and some subtracted. The address holds the basket.

import { combobox } from "../combobox.js";
import { chips, errorMessage, formatCount, h, replace } from "../dom.js";
import { downloadSizeNote } from "../download_progress.js";
import { normalizeQuery } from "../name_search.js";
import { repoList } from "../repo_list.js";
import { basketVector } from "../scoring.js";
import { similarHref } from "../state.js";

/** @import { App } from "../state.js" */

const MAX_NAMES = 20; // of each sign in an address

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters `plus` and `minus`: names, any number of each
 */
export function similarView(app, signal, parameters) {
  const namesOf = (/** @type {string} */ key) =>
    [
      ...new Set(
        parameters
          .getAll(key)
          .filter(Boolean)
          .map((name) => name.slice(0, 200)),
      ),
    ].slice(0, MAX_NAMES);
  const [plus, minus] = [namesOf("plus"), namesOf("minus")];
  const body = h("div", {}, h("p", { class: "hint", role: "status" }, "Loading names …"));
  const search = combobox(app, {
    id: "repository",
    label: plus.length ? "Add another repository" : "A repository you know",
    hint: "Typos are forgiven. Arrow keys choose, Enter takes.",
    button: plus.length ? "Add" : "Find",
    onChoose: (row) => openBasket([...plus.filter((name) => rowOf(app, name) >= 0), app.catalogue.names[row]], minus),
    onMissing: (text) => openBasket([...plus, text.trim()], minus),
  });
  Promise.all([app.nameIndexReady, app.catalogue.columnsReady]).then(
    () => !signal.aborted && renderBasket(app, signal, body, plus, minus),
    (error) => replace(body, h("p", { class: "error", role: "alert" }, errorMessage(error))),
  );
  return [
    h(
      "section",
      { class: "similar" },
      h(
        "h1",
        { tabindex: -1 },
        plus.length === 1 && !minus.length
          ? h("span", {}, "Like ", h("span", { class: "title-name" }, plus[0]))
          : plus.length
            ? "Like these together"
            : "Repositories alike",
      ),
      search,
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
function renderBasket(app, signal, body, plus, minus) {
  const { catalogue } = app;
  const row = (/** @type {string} */ name) => rowOf(app, name);
  const missing = [...plus, ...minus].filter((name) => row(name) < 0);
  const known = (/** @type {string[]} */ names) => [
    ...new Set(names.filter((name) => row(name) >= 0).map((name) => catalogue.names[row(name)])),
  ];
  const [added, subtracted] = [known(plus), known(minus)];
  if (!plus.length && !minus.length) return replace(body, introduction(app));
  replace(
    body,
    ...missing.map((name) => unknownName(app, name, added, subtracted)),
    (added.length > 1 || subtracted.length > 0) && basket(added, subtracted),
    !added.length &&
      subtracted.length > 0 &&
      h("p", { class: "hint", role: "status" }, "Add a repository: those taken away have no neighbours by themselves."),
    added.length === 1 && !subtracted.length && repoSummary(app, row(added[0])),
    ...(added.length ? neighbours(app, signal, added, subtracted) : []),
  );
}

/** @param {App} app */
function introduction(app) {
  return h(
    "div",
    {},
    h(
      "p",
      {},
      `Any of ${formatCount(app.model.n)} repositories. Add several to find what they have in common; take some away to steer clear of them.`,
    ),
    h("h2", {}, "Most starred in the data"),
    h(
      "p",
      { class: "examples" },
      ...chips(app.catalogue.names.slice(0, 18).map((name) => [similarHref([name]), name])),
    ),
    downloadSizeNote(app),
  );
}

/**
 * Notice that a name is not in the vocabulary, with the nearest ones that are.
 * @param {App} app
 * @param {string} name
 * @param {string[]} added
 * @param {string[]} subtracted
 */
function unknownName(app, name, added, subtracted) {
  const suggestions = app.nameIndex?.nearest(name) ?? [];
  return h(
    "div",
    { class: "unknown-name", role: "status" },
    h("p", {}, h("strong", {}, name), ` is not among the ${formatCount(app.model.n)} repositories known here.`),
    suggestions.length > 0
      ? h(
          "p",
          { class: "examples" },
          "Nearest by name: ",
          ...chips(
            suggestions
              .map(({ index }) => app.catalogue.names[index])
              .map((name) => [similarHref([...added, name], subtracted), name]),
          ),
        )
      : h("p", { class: "hint" }, "No name comes near it."),
  );
}

/**
 * @param {string[]} added
 * @param {string[]} subtracted
 */
function basket(added, subtracted) {
  const entry = (/** @type {string} */ name, /** @type {boolean} */ minus) => {
    const without = (/** @type {string[]} */ names) => names.filter((other) => other !== name);
    return h(
      "li",
      { class: minus ? "subtracted" : "" },
      h(
        "span",
        { class: "sign" },
        h("span", { "aria-hidden": "true" }, minus ? "−" : "+"),
        h("span", { class: "visually-hidden" }, minus ? "less" : "with"),
      ),
      h("span", { class: "name" }, name),
      h(
        "a",
        { href: similarHref(without(added), without(subtracted)), "aria-label": `Remove ${name}`, title: "remove" },
        "×",
      ),
    );
  };
  return h(
    "ul",
    { class: "basket", "aria-label": "Basket" },
    ...added.map((name) => entry(name, false)),
    ...subtracted.map((name) => entry(name, true)),
  );
}

/**
 * Description, language and stars of a repository.
 * @param {App} app
 * @param {number} row
 */
function repoSummary({ catalogue, engine }, row) {
  const description = h("p", { class: "lead" }, catalogue.description(row));
  engine.ready
    .then(() => catalogue.loadDescriptions())
    .then(
      () => {
        description.textContent = catalogue.description(row);
      },
      () => {},
    );
  return h(
    "div",
    {},
    description,
    h(
      "p",
      { class: "facts" },
      catalogue.language(row) && h("span", {}, catalogue.language(row)),
      h("span", {}, `${formatCount(catalogue.stars[row])} ★`),
    ),
  );
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string[]} added
 * @param {string[]} subtracted
 * @returns {Node[]}
 */
function neighbours(app, signal, added, subtracted) {
  const rows = (/** @type {string[]} */ names) => names.map((name) => app.catalogue.indexOfName(name));
  return [
    h("h2", { class: "visually-hidden" }, "Nearest repositories"),
    repoList(app, {
      id: "similar",
      signal,
      exclude: [...rows(added), ...rows(subtracted)],
      exact: app.engine.exact,
      search: async (bias, k) => app.engine.search(await basketVector(app, rows(added), rows(subtracted)), { k, bias }),
      actions: (row) => {
        const name = app.catalogue.names[row];
        return [
          actionLink("+", "add", name, similarHref([...added, name], subtracted)),
          actionLink("−", "less of this", name, similarHref(added, [...subtracted, name])),
        ];
      },
    }),
  ];
}

/**
 * Row of a repository by its name or address, -1 if it is not in the vocabulary.
 * @param {App} app
 * @param {string} name
 */
function rowOf({ catalogue }, name) {
  const row = catalogue.indexOfName(name);
  return row >= 0 ? row : catalogue.indexOfName(normalizeQuery(name));
}

/**
 * Go to the view of a basket.
 * @param {string[]} plus
 * @param {string[]} minus
 */
function openBasket(plus, minus) {
  location.hash = similarHref(
    [...new Set(plus)],
    minus.filter((name) => !plus.includes(name)),
  );
}

/**
 * @param {string} sign
 * @param {string} action
 * @param {string} name
 * @param {string} href
 */
const actionLink = (sign, action, name, href) =>
  h("a", { href, "aria-label": `${action}: ${name}` }, h("span", { "aria-hidden": "true" }, `${sign} `), action);
