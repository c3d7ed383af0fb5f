// Text field that finds repositories by name and by meaning: WAI-ARIA's combobox pattern, list autocomplete with manual
// selection. Arrow keys, Enter and Escape; the list is a listbox whose active option is named by aria-activedescendant.

import { announce, errorMessage, formatStars, h, pluralize } from "./dom.js";
import { parseGitHubAddress, REPOSITORY_PATTERN } from "./github_names.js";
import { normalizeQuery } from "./name_search.js";
import { placedMark } from "./repo_list.js";
import { MAX_QUERY_LENGTH, searchHref, userHref } from "./state.js";

/** @import { NamedRepository, Repository } from "./engine/catalogue.js" */
/** @import { App } from "./state.js" */
/** @typedef {NamedRepository | (Repository & {byMeaning: true}) | null} Suggestion null: search for what was typed */

/** What is said of addresses at GitHub that name neither person nor repository. */
const NO_REPOSITORY = {
  gist: "That is a gist: repositories are known here. Paste the address of one, or type its name.",
  other: "That is a page of GitHub itself. Paste the address of a repository, or type its name.",
};
const MAX_NAMES = 7;
const MAX_BY_MEANING = 4;
const PAUSE_MS = 100; // without typing, after which what is near in meaning is searched
const MAX_NAME_LENGTH = 100; // characters typed, above which it is a text and no name

/**
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.label
 * @param {string} [options.value] initial value
 * @param {string} [options.hint]
 * @param {string} options.button
 * @param {boolean} [options.inStars] whether searches are among the stars of the current user
 * @param {(repository: Repository) => void} options.onChoose
 * @param {(name: string) => void} options.onMissing called with an owner/name that is not known
 * @param {(text: string) => void} [options.onText] called with anything else; searches for it if it is left out
 */
export function combobox(app, { id, label, value, hint = "", button, inStars = false, onChoose, onMissing, onText }) {
  let active = -1;
  /** @type {Suggestion[]} */
  let suggestions = [];
  let suggestedFor = ""; // what was typed then
  let latestTyped = 0;
  let latestSubmitted = 0;
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": "Repositories", hidden: true });
  const input = h("input", {
    id,
    type: "search",
    role: "combobox",
    value,
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
    "aria-describedby": hint ? `${id}-hint` : null,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: MAX_QUERY_LENGTH,
    placeholder: "pandas, or: charts in a terminal",
  });

  const close = () => {
    latestTyped++; // answers that are still to come do not open it again
    list.removeAttribute("aria-busy");
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const searchFor = (/** @type {string} */ text) => {
    close();
    if (onText) onText(text);
    else location.hash = searchHref(text, inStars);
  };
  const take = (/** @type {Repository} */ repository) => {
    close();
    input.value = "";
    onChoose(repository);
  };
  const choose = (/** @type {Suggestion} */ suggestion) => (suggestion ? take(suggestion) : searchFor(input.value));
  const setActive = (/** @type {number} */ index) => {
    active = index;
    for (const [i, element] of [...list.children].entries())
      element.setAttribute("aria-selected", String(i === active));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${id}-${active}`);
      list.children[active].scrollIntoView({ block: "nearest" });
    }
  };
  const show = (/** @type {Suggestion[]} */ shown) => {
    [suggestions, suggestedFor] = [shown, input.value];
    list.replaceChildren(...shown.map((suggestion, i) => option(`${id}-${i}`, suggestion, input.value, choose)));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    setActive(-1);
  };
  const suggest = async () => {
    const number = ++latestTyped;
    const typed = input.value;
    if (!typed.trim()) return close();
    if (active >= 0) setActive(-1); // it was of what was typed before
    list.setAttribute("aria-busy", "true");
    const { engine } = app;
    const canBeName = typed.length <= MAX_NAME_LENGTH && engine.namesLoaded;
    const names = canBeName ? await engine.suggest(typed, MAX_NAMES).catch(() => []) : [];
    if (number !== latestTyped) return;
    list.removeAttribute("aria-busy");
    if (active >= 0) return; // chosen from the list before: it does not change under the reader
    const isText = /\s/.test(typed.trim());
    show(isText ? [null, ...names] : [...names, null]);
    if (names.length)
      announce(`${pluralize(names.length, "name")}, ${names[0].edits ? "none exactly as typed" : "arrow keys choose"}`);
    else if (typed.trim().length > 2)
      announce(
        engine.namesLoaded ? "No repository of that name. Enter searches descriptions" : "Names are still loading",
      );
    if (!engine.wordsLoaded || typed.length > MAX_NAME_LENGTH) return;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS)); // names of the next letters come first
    if (number !== latestTyped) return;
    const { rows } = await engine.searchText(typed, { k: MAX_NAMES + MAX_BY_MEANING });
    const named = new Set(names.map(({ row }) => row));
    const others = Array.from(rows).filter((row) => !named.has(row));
    const near = await engine.repositories(others.slice(0, MAX_BY_MEANING));
    if (number !== latestTyped || active >= 0) return;
    const byMeaning = near.map((repository) => ({ ...repository, byMeaning: /** @type {const} */ (true) }));
    show(isText ? [null, ...names, ...byMeaning] : [...names, ...byMeaning, null]);
  };
  const submit = async () => {
    const text = input.value;
    if (!text.trim()) return input.focus();
    if (active >= 0) return choose(suggestions[active]);
    const address = parseGitHubAddress(text);
    if (address?.kind === "user") {
      location.hash = userHref(address.login);
      return;
    }
    if (address && address.kind !== "repository") {
      input.setCustomValidity(NO_REPOSITORY[address.kind]);
      input.reportValidity();
      return;
    }
    const number = ++latestSubmitted;
    const canBeName = text.length <= MAX_NAME_LENGTH;
    if (canBeName && !app.engine.namesLoaded) announce("Names are still loading"); // they are waited for: it may be one
    const repository = canBeName ? await app.engine.repositoryCalled(text).catch(() => null) : null;
    if (number !== latestSubmitted || !input.isConnected) return;
    const name = normalizeQuery(text);
    if (repository) take(repository);
    else if (REPOSITORY_PATTERN.test(name)) {
      close();
      onMissing(name);
    } else searchFor(text);
  };

  input.addEventListener("input", () => {
    input.setCustomValidity("");
    suggest();
  });
  input.addEventListener("focus", () => input.value && suggest());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return suggestedFor === input.value && suggestions.length ? show(suggestions) : void suggest();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive(((active + 1 + step + suggestions.length + 1) % (suggestions.length + 1)) - 1);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });
  const hintElement = hint && h("p", { id: `${id}-hint`, class: "hint" }, hint);
  app.engine.catalogueReady.then(
    () => {
      if (document.activeElement === input && input.value) suggest();
    },
    (error) => {
      if (hintElement) hintElement.textContent = errorMessage(error);
    },
  );

  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    submit();
  };
  return h(
    "form",
    { class: "field-form", role: "search", onsubmit },
    h("label", { for: id }, label),
    h("div", { class: "field" }, input, h("button", { type: "submit" }, button), list),
    hintElement,
  );
}

/**
 * One suggestion, with what was typed marked in it.
 * @param {string} id
 * @param {Suggestion} suggestion
 * @param {string} typed
 * @param {(suggestion: Suggestion) => void} choose
 */
function option(id, suggestion, typed, choose) {
  const content = suggestion
    ? repositoryContent(suggestion, typed)
    : [h("span", { class: "search-for" }, "Search for ", h("q", {}, shortened(typed.trim())))];
  return h(
    "li",
    {
      id,
      role: "option",
      "aria-selected": "false",
      onpointerdown: (event) => event.preventDefault(), // keeps the focus in the field
      onclick: () => choose(suggestion),
    },
    ...content,
  );
}

/**
 * @param {NonNullable<Suggestion>} suggestion
 * @param {string} typed
 */
function repositoryContent(suggestion, typed) {
  const { name, stars, description, placed } = suggestion;
  const byMeaning = "byMeaning" in suggestion;
  const isSimilar = !byMeaning && suggestion.edits > 0;
  return [
    h("span", { class: "name" }, ...(byMeaning || isSimilar ? [name] : marked(name, typed))),
    h("span", { class: "aside" }, byMeaning ? "by meaning" : isSimilar ? "similar name" : formatStars(stars)),
    description && h("span", { class: "about" }, description),
    placed && placedMark(),
  ];
}

/**
 * A name in which the first occurrence of what was typed is marked.
 * @param {string} name
 * @param {string} typed
 */
function marked(name, typed) {
  const part = normalizeQuery(typed);
  const at = name.toLowerCase().indexOf(part);
  if (at < 0) return [name];
  return [name.slice(0, at), h("mark", {}, name.slice(at, at + part.length)), name.slice(at + part.length)];
}

/** The beginning of a text. @param {string} text */
export const shortened = (text, length = 60) => (text.length > length ? `${text.slice(0, length).trimEnd()}…` : text);
