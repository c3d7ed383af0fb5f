// Repositories and people that a text describes: a few words, or a whole job description. The address holds the text.

import { combobox, shortened } from "../combobox.js";
import { developerList } from "../developer_list.js";
import { chips, errorMessage, formatCount, h, pluralize, replace } from "../dom.js";
import { downloadSizeNote } from "../download_progress.js";
import { loginForm } from "../login_form.js";
import { repoList } from "../repo_list.js";
import { formatPercent, nearnessPercentile, rankDevelopersByText, starRange } from "../scoring.js";
import { MAX_QUERY_LENGTH, searchHref, similarHref } from "../state.js";

/** @import { NamedRepository } from "../engine/catalogue.js" */
/** @import { App } from "../state.js" */

const MAX_LINE_LENGTH = 200; // characters; a longer query is shown in a field of several lines
const MAX_NAMES = 5;
const MAX_WORDS = 8; // shown beside a repository
/** Searches that a visitor can try. */
export const EXAMPLES = [
  "time series forecasting in rust",
  "self-hosted photo backup",
  "terminal file manager",
  "learn system design",
  "vector database",
];

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters `q`: the text; `in`: "stars" for the stars of the current user only
 */
export function searchView(app, signal, parameters) {
  const query = (parameters.get("q") ?? "").trim().slice(0, MAX_QUERY_LENGTH);
  const inStars = parameters.get("in") === "stars";
  const isLong = query.length > MAX_LINE_LENGTH;
  const body = h("div", {});
  const render = () => {
    if (!query) replace(body, introduction(app));
    else if (inStars && !app.currentUser) replace(body, starsForm(app, signal, render));
    else replace(body, ...results(app, signal, query, inStars));
  };
  render();
  return [
    h(
      "section",
      { class: "similar" },
      h(
        "h1",
        { tabindex: -1 },
        !query ? "Find by words" : isLong ? "Near this text" : h("span", {}, "Near ", h("q", {}, shortened(query, 80))),
      ),
      combobox(app, {
        id: "repository",
        label: inStars ? "Search in your stars" : "Name of a repository, or what it should do",
        value: isLong ? "" : query,
        hint: "What you type stays in this browser.",
        button: "Search",
        inStars,
        onChoose: ({ name }) => {
          location.hash = similarHref([name]);
        },
        onMissing: (name) => {
          location.hash = similarHref([name]);
        },
      }),
      textForm(isLong ? query : "", inStars),
      body,
    ),
  ];
}

/**
 * Form for a text of several lines.
 * @param {string} text
 * @param {boolean} inStars
 */
function textForm(text, inStars) {
  const field = h(
    "textarea",
    { id: "text", rows: 6, maxlength: MAX_QUERY_LENGTH, "aria-describedby": "text-hint" },
    text,
  );
  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (field.value.trim()) location.hash = searchHref(field.value, inStars);
    else field.focus();
  };
  return h(
    "details",
    { class: "text-form", open: text !== "" },
    h("summary", {}, "Paste a job description or a paragraph"),
    h(
      "form",
      { class: "field-form", onsubmit },
      h("label", { for: "text" }, "Text to compare with"),
      field,
      h(
        "p",
        { id: "text-hint", class: "hint" },
        `Up to ${formatCount(MAX_QUERY_LENGTH)} characters count. It is compared in this browser and is sent nowhere; it is part of this page’s address, so a link holds it.`,
      ),
      h("button", { type: "submit" }, "Find what is near it"),
    ),
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
      `Describe what you look for: ${formatCount(app.model.n)} repositories are searched by the words of their names, descriptions and topics, and by meaning: whatever is starred by the people who star what those words stand for.`,
    ),
    h("h2", {}, "For example"),
    h("p", { class: "examples" }, ...chips(EXAMPLES.map((text) => [searchHref(text), text]))),
    downloadSizeNote(app, true),
  );
}

/**
 * Form for the login whose stars are searched.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {() => void} onReady called when the current user is known
 */
function starsForm(app, signal, onReady) {
  const { element } = loginForm(app, {
    id: "login",
    label: "Your GitHub login",
    button: "Search in my stars",
    signal,
    onPerson: (person) => {
      app.currentUser = person;
      onReady();
    },
  });
  return h("div", {}, h("p", {}, "Your stars are fetched first; they stay in the memory of this tab."), element);
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} query
 * @param {boolean} inStars
 * @returns {Node[]}
 */
function results(app, signal, query, inStars) {
  const names = h("div", {});
  const unknownWords = h("p", { class: "hint" });
  const people = h("div", {});
  const toPeople = h(
    "p",
    { hidden: true },
    h(
      "button",
      {
        type: "button",
        class: "chip",
        onclick: () => {
          const heading = people.querySelector("h2");
          heading?.scrollIntoView();
          heading?.focus({ preventScroll: true });
        },
      },
      "To the people near it",
    ),
  );
  const { currentUser } = app;
  const only = inStars && currentUser ? currentUser.starred : null;
  if (!only && query.length <= MAX_LINE_LENGTH)
    app.engine.suggest(query, MAX_NAMES).then(
      (hits) => replace(names, namesLike(hits)),
      () => {},
    );
  let isShown = false;
  const showPeople = async () => {
    if (isShown) return; // the place of a text does not depend on the filters
    isShown = true;
    const place = await app.engine.placeText(query);
    if (signal.aborted || !place.some(Boolean)) return;
    replace(people, ...peopleNear(app, place));
    toPeople.hidden = false;
  };
  return [
    names,
    unknownWords,
    toPeople,
    h("h2", { class: "visually-hidden" }, "Repositories"),
    repoList(app, {
      id: "search",
      signal,
      needsWords: true,
      scoreLabel: "",
      label: "Repositories by words and meaning",
      only: () => only,
      search: async (filter, k) => {
        const { rows: indices, words, unknown, exact, searched } = await app.engine.searchText(query, { k, filter });
        unknownWords.textContent = describeUnknown(unknown);
        showPeople().catch((error) => replace(people, h("p", { class: "error", role: "alert" }, errorMessage(error))));
        return { indices, cosines: [], words, exact, rows: searched };
      },
      explain: ({ words }) => words.map(matchNote),
      emptyNote: "Nothing was found: no word of this is known here, or the filters leave nothing. Try other words.",
      control: () => starsLink(app, query, inStars),
    }),
    people,
  ];
}

/**
 * The words that no repository has, in a sentence; "" for none.
 * @param {string[]} words
 */
function describeUnknown(words) {
  if (!words.length) return "";
  const more = words.length > MAX_WORDS ? ` and ${formatCount(words.length - MAX_WORDS)} more` : "";
  return `Not known here, so without effect: ${words.slice(0, MAX_WORDS).join(", ")}${more}.`;
}

/**
 * Why a repository was found.
 * @param {string[]} words of the query that it has
 */
const matchNote = (words) =>
  h(
    "p",
    { class: "why" },
    ...(words.length
      ? ["has ", ...words.slice(0, MAX_WORDS).flatMap((word) => [h("mark", {}, word), " "])]
      : ["near in meaning, without these words"]),
    words.length > MAX_WORDS && `and ${formatCount(words.length - MAX_WORDS)} more`,
  );

/**
 * Repositories whose names contain the query, or nearly so.
 * @param {NamedRepository[]} hits
 */
function namesLike(hits) {
  if (!hits.length) return null;
  const links = chips(hits.map(({ name }) => [similarHref([name]), name]));
  return h("p", { class: "examples" }, hits[0].edits ? "Similar names: " : "By name: ", ...links);
}

/**
 * Link between a search in all repositories and one in the stars of the current user.
 * @param {App} app
 * @param {string} query
 * @param {boolean} inStars
 */
const starsLink = ({ currentUser }, query, inStars) =>
  h(
    "div",
    {},
    inStars && h("span", {}, `In ${pluralize(currentUser?.starred.length ?? 0, "star")} of ${currentUser?.login}.`),
    h("a", { href: searchHref(query, !inStars) }, inStars ? "Search in all" : "Search in my stars"),
  );

/**
 * Developers near a text, and how near the current user is to it.
 * @param {App} app
 * @param {Float32Array} place of the text, a unit vector
 * @returns {(Node | false | null)[]}
 */
function peopleNear(app, place) {
  const { people, currentUser } = app;
  const own = currentUser && nearnessPercentile(people, currentUser, place);
  const total = people.developers.length;
  return [
    h("h2", { tabindex: -1 }, "People near it"),
    typeof own === "number" &&
      h(
        "p",
        {},
        "Your profile is nearer to it than ",
        h("strong", { class: "match" }, formatPercent(own)),
        ` of people with about as many stars (${starRange(people, currentUser?.starsUsed ?? 0)}).`,
      ),
    h(
      "p",
      { class: "hint" },
      `The ${formatCount(total)} developers that came with this model, those first who starred most that is near to it. The percentage is the share of people with about as many stars whose profile is less near, within about 3 points. The two can differ: the order counts the stars that are near, the percentage compares the mean of all stars.`,
    ),
    total > 0 && developerList(() => rankDevelopersByText(people, place)).element,
  ];
}
