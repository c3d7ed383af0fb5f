// Nearest neighbours of a basket of repositories, some added and some subtracted. The address holds the basket and the
// position of the dial between what the same people star and what has the same purpose.

import { combobox } from "../combobox.js";
import { chips, errorMessage, formatCount, formatMegabytes, h, replace } from "../dom.js";
import { downloadSizeNote } from "../download_progress.js";
import { surroundings } from "../map/surroundings.js";
import { normalizeQuery } from "../name_search.js";
import { githubQuestion } from "../placed_repository.js";
import { placedMark, repoList } from "../repo_list.js";
import { searchBasket } from "../scoring.js";
import { isPlacedByText, searchHref, similarHref } from "../state.js";
import { repositoryTrend } from "../trend_line.js";

/** @import { Progress } from "../engine/engine.js" */
/** @import { App } from "../state.js" */
/**
 * @typedef {object} Basket
 * @property {string[]} plus names
 * @property {string[]} minus names
 * @property {number} purpose from -1, starred by the same people, to 1, of the same purpose; changes with the dial
 */

const MAX_NAMES = 20; // of each sign in an address
const DIAL_STEPS = 4; // from the middle of the dial to either end

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters `plus` and `minus`: names, any number of each; `purpose`: position of the dial
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
  const address = { plus, minus, purpose: parsePurpose(parameters.get("purpose")) };
  const body = h("div", {}, h("p", { class: "hint", role: "status" }, "Loading names …"));
  const search = combobox(app, {
    id: "repository",
    label: plus.length ? "Add another repository" : "A repository you know",
    hint: "By name or by what it should do. Typos are forgiven. Arrow keys choose, Enter takes.",
    button: plus.length ? "Add" : "Find",
    onChoose: (row) =>
      openBasket({
        ...address,
        plus: [...plus.filter((name) => rowOf(app, name) >= 0), app.catalogue.names[row]],
      }),
    onMissing: (name) => openBasket({ ...address, plus: [...plus, name] }),
  });
  Promise.all([app.nameIndexReady, app.catalogue.columnsReady]).then(
    () => !signal.aborted && renderBasket(app, signal, body, address),
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
 * @param {Basket} address as the address gives it, with names that may be unknown
 */
function renderBasket(app, signal, body, address) {
  const { catalogue } = app;
  const { plus, minus } = address;
  const row = (/** @type {string} */ name) => rowOf(app, name);
  const missing = [...plus, ...minus].filter((name) => row(name) < 0);
  const known = (/** @type {string[]} */ names) => [
    ...new Set(names.filter((name) => row(name) >= 0).map((name) => catalogue.names[row(name)])),
  ];
  const [added, subtracted] = [known(plus), known(minus)];
  if (!plus.length && !minus.length) return replace(body, introduction(app));
  // Basket, and links with it, are made anew when the dial moves, of which they hold the position.
  const links = h("div", {});
  const renderLinks = (/** @type {Basket} */ basket) =>
    replace(
      links,
      ...missing.map((name) => unknownName(app, signal, name, basket)),
      (added.length > 1 || subtracted.length > 0) && basketItems(basket),
    );
  const basket = { plus: added, minus: subtracted, purpose: address.purpose };
  renderLinks(basket);
  replace(
    body,
    links,
    !added.length &&
      subtracted.length > 0 &&
      h("p", { class: "hint", role: "status" }, "Add a repository: those taken away have no neighbours by themselves."),
    added.length === 1 && !subtracted.length && repoSummary(app, row(added[0])),
    added.length === 1 && !subtracted.length && surroundings(app, signal, row(added[0])),
    added.length === 1 && !subtracted.length && repositoryTrend(app, signal, row(added[0])),
    ...(added.length ? neighbours(app, signal, basket, renderLinks) : []),
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
 * Notice that a name is not known, with the nearest ones that are and a button that asks GitHub about it.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} name
 * @param {Basket} basket
 */
function unknownName(app, signal, name, { plus, minus, purpose }) {
  const suggestions = app.nameIndex?.nearest(name) ?? [];
  const notice = h(
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
              .map((name) => [similarHref([...plus, name], minus, purpose), name]),
          ),
        )
      : h("p", { class: "hint" }, "No name comes near it."),
    h("p", { class: "hint" }, h("a", { href: searchHref(name) }, "Search for its words")),
  );
  return h("div", {}, notice, githubQuestion(app, signal, name));
}

/** @param {Basket} basket */
function basketItems({ plus, minus, purpose }) {
  const entry = (/** @type {string} */ name, /** @type {boolean} */ taken) => {
    const without = (/** @type {string[]} */ names) => names.filter((other) => other !== name);
    return h(
      "li",
      { class: taken ? "subtracted" : "" },
      h(
        "span",
        { class: "sign" },
        h("span", { "aria-hidden": "true" }, taken ? "−" : "+"),
        h("span", { class: "visually-hidden" }, taken ? "less" : "with"),
      ),
      h("span", { class: "name" }, name),
      h(
        "a",
        { href: similarHref(without(plus), without(minus), purpose), "aria-label": `Remove ${name}`, title: "remove" },
        "×",
      ),
    );
  };
  return h(
    "ul",
    { class: "basket", "aria-label": "Basket" },
    ...plus.map((name) => entry(name, false)),
    ...minus.map((name) => entry(name, true)),
  );
}

/**
 * Description, language and stars of a repository.
 * @param {App} app
 * @param {number} row
 */
function repoSummary(app, row) {
  const { catalogue, engine } = app;
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
      isPlacedByText(app, row) && placedMark(),
    ),
  );
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Basket} basket of known names, at least one of `plus`
 * @param {(basket: Basket) => void} onPurpose called when the dial was moved
 * @returns {Node[]}
 */
function neighbours(app, signal, basket, onPurpose) {
  const rows = (/** @type {string[]} */ names) => names.map((name) => app.catalogue.indexOfName(name));
  const [plus, minus] = [rows(basket.plus), rows(basket.minus)];
  return [
    h("h2", { class: "visually-hidden" }, "Nearest repositories"),
    repoList(app, {
      id: "similar",
      signal,
      exclude: [...plus, ...minus],
      exact: app.engine.exact,
      search: (bias, k) => searchBasket(app, { plus, minus, purpose: basket.purpose }, k, bias),
      href: (name) => similarHref([name], [], basket.purpose),
      actions: (row) => {
        const name = app.catalogue.names[row];
        return [
          actionLink("+", "add", name, similarHref([...basket.plus, name], basket.minus, basket.purpose)),
          actionLink("−", "less of this", name, similarHref(basket.plus, [...basket.minus, name], basket.purpose)),
        ];
      },
      control: (onChange) =>
        purposeDial(app, signal, basket.purpose, (purpose) => {
          basket.purpose = purpose;
          history.replaceState(history.state, "", similarHref(basket.plus, basket.minus, purpose));
          onPurpose(basket);
          onChange();
        }),
    }),
  ];
}

/**
 * Slider between what the same people star and what has the same purpose.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {number} purpose
 * @param {(purpose: number) => void} onMove
 */
function purposeDial({ engine, model }, signal, purpose, onMove) {
  const total = model.files["vectors.text"].bytes;
  const note = h("span", { id: "similar-purpose-note", class: "hint" });
  const showLoaded = (/** @type {number} */ loaded) => {
    const size = formatMegabytes(total);
    if (loaded === total) note.textContent = "";
    else
      note.textContent = loaded ? `${formatMegabytes(loaded)} of ${size}` : `The first move downloads ${size}, once.`;
  };
  showLoaded(engine.textLoaded ? total : 0);
  engine.addEventListener(
    "progress",
    (event) => {
      const { plane, loaded } = /** @type {CustomEvent<Progress>} */ (event).detail;
      if (plane === "text") showLoaded(loaded);
    },
    { signal },
  );
  const slider = h("input", {
    id: "similar-purpose",
    type: "range",
    min: -1,
    max: 1,
    step: 1 / DIAL_STEPS,
    value: purpose,
    "aria-valuetext": purposeLabel(purpose),
    "aria-describedby": note.id,
    oninput: () => slider.setAttribute("aria-valuetext", purposeLabel(Number(slider.value))),
    onchange: () => onMove(Number(slider.value)),
  });
  return h(
    "div",
    { class: "dial" },
    h("label", { for: slider.id }, "Alike by"),
    h(
      "div",
      { class: "dial-ends" },
      h("span", { "aria-hidden": "true" }, "same people"),
      slider,
      h("span", { "aria-hidden": "true" }, "same purpose"),
    ),
    note,
  );
}

/** Position of the dial in words. @param {number} purpose */
function purposeLabel(purpose) {
  if (!purpose) return "both";
  return `same ${purpose > 0 ? "purpose" : "people"}, ${Math.abs(purpose) * DIAL_STEPS} of ${DIAL_STEPS}`;
}

/** Position of the dial from an address, on one of its steps; the middle without one. @param {string | null} text */
function parsePurpose(text) {
  const step = Math.round(Number(text) * DIAL_STEPS) || 0; // 0 for what is no number, too
  return Math.max(-DIAL_STEPS, Math.min(step, DIAL_STEPS)) / DIAL_STEPS;
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

/** Go to the view of a basket. @param {Basket} basket */
function openBasket({ plus, minus, purpose }) {
  location.hash = similarHref(
    [...new Set(plus)],
    minus.filter((name) => !plus.includes(name)),
    purpose,
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
