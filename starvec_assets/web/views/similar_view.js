// Nearest neighbours of a basket of repositories, some added and some subtracted. The address holds the basket and the
// position of the dial between what the same people star and what has the same purpose.

import { combobox } from "../combobox.js";
import { chips, errorMessage, formatCount, formatMegabytes, formatStars, h, replace } from "../dom.js";
import { downloadSizeNote } from "../download_progress.js";
import { withFilters } from "../list_filters.js";
import { surroundings } from "../map/surroundings.js";
import { githubLink, placedMark, repoList } from "../repo_list.js";
import { firstRows, searchHref, similarHref } from "../state.js";
import { repositoryTrend } from "../trend_line.js";

/** @import { NamedRepository, Repository } from "../engine/catalogue.js" */
/** @import { Progress } from "../engine/engine.js" */
/** @import { App } from "../state.js" */
/**
 * @typedef {object} Basket
 * @property {string[]} plus names
 * @property {string[]} minus names
 * @property {number} purpose from -1, starred by the same people, to 1, of the same purpose; changes with the dial
 *
 * @typedef {object} LookedUp
 * @property {Map<string, Repository>} known by the name in the address
 * @property {Map<string, NamedRepository[]>} nearest by name: those nearest to each name that is not known
 * @property {Repository[]} mostStarred shown where the address has no names
 */

const MAX_NAMES = 20; // of each sign in an address
const MAX_EXAMPLES = 18;
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
  const lookedUp = lookUp(app, [...plus, ...minus]);
  const search = combobox(app, {
    id: "repository",
    label: plus.length ? "Add another repository" : "A repository you know",
    hint: "By name or by what it should do. Typos are forgiven. Arrow keys choose, Enter takes.",
    button: plus.length ? "Add" : "Find",
    onChoose: async ({ name }) => {
      const { known } = await lookedUp;
      openBasket({ ...address, plus: [...plus.filter((one) => known.has(one)), name] });
    },
    onMissing: (name) => openBasket({ ...address, plus: [...plus, name] }),
  });
  lookedUp.then(
    (found) => !signal.aborted && renderBasket(app, signal, body, address, found),
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
          ? h("span", {}, "Like ", h("bdi", {}, ...unbroken(plus[0])))
          : plus.length
            ? "Like these together"
            : "Repositories alike",
      ),
      search,
      body,
    ),
  ];
}

/** Owner and name, neither of which is broken where it fits on a line. @param {string} name */
const unbroken = (name) => name.split(/(?<=\/)/).map((part) => h("span", { class: "unbroken" }, part));

/**
 * What the names of an address stand for.
 * @param {App} app
 * @param {string[]} names
 * @returns {Promise<LookedUp>}
 */
async function lookUp({ engine, model }, names) {
  const found = await engine.repositoriesNamed(names);
  const missing = names.filter((_, i) => !found[i]);
  const nearest = await Promise.all(missing.map((name) => engine.nearestNames(name)));
  const mostStarred = names.length ? [] : await engine.repositories(firstRows(model, MAX_EXAMPLES));
  return {
    known: new Map(names.flatMap((name, i) => (found[i] ? [[name, found[i]]] : []))),
    nearest: new Map(missing.map((name, i) => [name, nearest[i]])),
    mostStarred,
  };
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Element} body
 * @param {Basket} address as the address gives it, with names that may be unknown
 * @param {LookedUp} lookedUp its names
 */
function renderBasket(app, signal, body, address, { known, nearest, mostStarred }) {
  const { plus, minus } = address;
  const repositories = (/** @type {string[]} */ names) => [
    ...new Map(names.flatMap((name) => known.get(name) ?? []).map((one) => [one.row, one])).values(),
  ];
  const [added, subtracted] = [repositories(plus), repositories(minus)];
  if (!plus.length && !minus.length) return replace(body, introduction(app, mostStarred));
  // Basket, and links with it, are made anew when the dial moves, of which they hold the position.
  const links = h("div", {});
  const renderLinks = (/** @type {Basket} */ basket) =>
    replace(
      links,
      ...[...nearest].map(([name, others]) => unknownName(app, signal, name, others, basket)),
      (added.length > 1 || subtracted.length > 0) && basketItems(basket),
    );
  const namesOf = (/** @type {Repository[]} */ repositories) => repositories.map(({ name }) => name);
  const basket = { plus: namesOf(added), minus: namesOf(subtracted), purpose: address.purpose };
  const only = added.length === 1 && !subtracted.length && added[0];
  renderLinks(basket);
  replace(
    body,
    links,
    !added.length &&
      subtracted.length > 0 &&
      h("p", { class: "hint", role: "status" }, "Add a repository: those taken away have no neighbours by themselves."),
    only && repoSummary(app, only),
    only && surroundings(app, signal, only),
    only && repositoryTrend(app, signal, only.row),
    ...(added.length ? neighbours(app, signal, basket, added, subtracted, renderLinks) : []),
  );
}

/**
 * @param {App} app
 * @param {Repository[]} mostStarred
 */
function introduction(app, mostStarred) {
  return h(
    "div",
    {},
    h(
      "p",
      {},
      `Any of ${formatCount(app.model.n)} repositories. Add several to find what they have in common; take some away to steer clear of them.`,
    ),
    h("h2", {}, "Most starred in the data"),
    h("p", { class: "examples" }, ...chips(mostStarred.map(({ name }) => [similarHref([name]), name]))),
    downloadSizeNote(app),
  );
}

/**
 * Notice that a name is not known, with the nearest ones that are and a button that asks GitHub about it.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} name
 * @param {Repository[]} nearest
 * @param {Basket} basket
 */
function unknownName(app, signal, name, nearest, { plus, minus, purpose }) {
  const notice = h(
    "div",
    { class: "unknown-name", role: "status" },
    h("p", {}, h("strong", {}, name), ` is not among the ${formatCount(app.model.n)} repositories known here.`),
    nearest.length > 0
      ? h(
          "p",
          { class: "examples" },
          "Nearest by name: ",
          ...chips(nearest.map(({ name }) => [similarHref([...plus, name], minus, purpose), name])),
        )
      : h("p", { class: "hint" }, "No name comes near it."),
    h("p", { class: "hint" }, h("a", { href: searchHref(name) }, "Search for its words")),
  );
  const question = async () => (await import("../placed_repository.js")).githubQuestion(app, signal, name);
  return h("div", {}, notice, later(question));
}

/**
 * A place for what another module shows, which need not be here for the first answer. It stays empty without network.
 * @param {() => Promise<Node | null>} load
 */
function later(load) {
  const place = h("div", {});
  load().then(
    (node) => node && place.append(node),
    () => {},
  );
  return place;
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
 * @param {Repository} repository
 */
function repoSummary({ engine }, repository) {
  const { row, name, language, stars, placed, superseded } = repository;
  const description = h("p", { class: "lead", dir: "auto" }, repository.description);
  const describe = async () => {
    await engine.ready;
    await engine.loadDescriptions();
    const [described] = await engine.repositories([row]);
    description.textContent = described.description;
  };
  if (repository.description === null) describe().catch(() => {});
  return h(
    "div",
    {},
    description,
    h(
      "p",
      { class: "facts" },
      language && h("span", {}, language),
      h("span", {}, formatStars(stars)),
      placed && placedMark(),
      !superseded && githubLink(name),
    ),
  );
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Basket} basket of known names, at least one of `plus`
 * @param {Repository[]} added those of `plus`
 * @param {Repository[]} subtracted those of `minus`
 * @param {(basket: Basket) => void} onPurpose called when the dial was moved
 * @returns {Node[]}
 */
function neighbours(app, signal, basket, added, subtracted, onPurpose) {
  const [plus, minus] = [added, subtracted].map((repositories) => repositories.map(({ row }) => row));
  return [
    h("h2", { class: "visually-hidden" }, "Nearest repositories"),
    repoList(app, {
      id: "similar",
      signal,
      exclude: [...plus, ...minus],
      search: (filter, k) => app.engine.searchBasket({ plus, minus, purpose: basket.purpose }, { k, filter }),
      href: (name) => similarHref([name], [], basket.purpose),
      actions: ({ name }) => [
        actionLink("+", "add", name, similarHref([...basket.plus, name], basket.minus, basket.purpose)),
        actionLink("−", "less of this", name, similarHref(basket.plus, [...basket.minus, name], basket.purpose)),
      ],
      control: (onChange) =>
        purposeDial(app, signal, basket.purpose, (purpose) => {
          basket.purpose = purpose;
          const href = similarHref(basket.plus, basket.minus, purpose);
          history.replaceState(history.state, "", withFilters(href, app.filters));
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
