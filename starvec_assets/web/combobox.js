// Text field that finds repositories by name and by meaning: WAI-ARIA's combobox pattern, list autocomplete with manual
// selection. Arrow keys, Enter and Escape; the list is a listbox whose active option is named by aria-activedescendant.

import { announce, errorMessage, formatCount, h, pluralize } from "./dom.js";
import { REPOSITORY_PATTERN } from "./github_names.js";
import { normalizeQuery } from "./name_search.js";
import { placedMark } from "./repo_list.js";
import { isPlacedByText, MAX_QUERY_LENGTH, searchHref } from "./state.js";

/** @import { App } from "./state.js" */
/** @typedef {{row: number, edits: number, byMeaning: boolean}} Suggestion row -1: search for what was typed */

const MAX_NAMES = 7;
const MAX_BY_MEANING = 4;
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
 * @param {(row: number) => void} options.onChoose called with the row of a repository
 * @param {(name: string) => void} options.onMissing called with an owner/name that is not known
 */
export function combobox(app, { id, label, value, hint = "", button, inStars = false, onChoose, onMissing }) {
  let active = -1;
  /** @type {Suggestion[]} */
  let suggestions = [];
  let latestTyped = 0;
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
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const searchFor = (/** @type {string} */ text) => {
    close();
    location.hash = searchHref(text, inStars);
  };
  const choose = (/** @type {Suggestion} */ { row }) => {
    if (row < 0) return searchFor(input.value);
    close();
    input.value = "";
    onChoose(row);
  };
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
    suggestions = shown;
    list.replaceChildren(...shown.map((suggestion, i) => option(app, `${id}-${i}`, suggestion, input.value, choose)));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    setActive(-1);
  };
  const suggest = async () => {
    const number = ++latestTyped;
    const typed = input.value;
    if (!typed.trim()) return close();
    const hits = typed.length <= MAX_NAME_LENGTH && app.nameIndex ? app.nameIndex.search(typed, MAX_NAMES) : [];
    const names = hits.map(({ index, edits }) => ({ row: index, edits, byMeaning: false }));
    const search = { row: -1, edits: 0, byMeaning: true };
    const isText = /\s/.test(typed.trim());
    show(isText ? [search, ...names] : [...names, search]);
    if (names.length)
      announce(`${pluralize(names.length, "name")}, ${names[0].edits ? "none exactly as typed" : "arrow keys choose"}`);
    else if (typed.trim().length > 2)
      announce(app.nameIndex ? "No repository of that name. Enter searches descriptions" : "Names are still loading");
    if (!app.engine.wordsLoaded || typed.length > MAX_NAME_LENGTH) return;
    const { rows } = await app.engine.searchText(typed, { k: MAX_NAMES + MAX_BY_MEANING });
    if (number !== latestTyped || active >= 0) return;
    const named = new Set(names.map(({ row }) => row));
    const byMeaning = Array.from(rows)
      .filter((row) => !named.has(row))
      .slice(0, MAX_BY_MEANING)
      .map((row) => ({ row, edits: 0, byMeaning: true }));
    show(isText ? [search, ...names, ...byMeaning] : [...names, ...byMeaning, search]);
  };
  const submit = () => {
    const text = input.value;
    if (!text.trim()) return input.focus();
    const name = normalizeQuery(text);
    const row = text.length <= MAX_NAME_LENGTH ? rowByName(app, name) : -1;
    if (active >= 0) choose(suggestions[active]);
    else if (row >= 0) choose({ row, edits: 0, byMeaning: false });
    else if (REPOSITORY_PATTERN.test(name)) {
      close();
      onMissing(name);
    } else searchFor(text);
  };

  input.addEventListener("input", suggest);
  input.addEventListener("focus", () => input.value && suggest());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return void suggest();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive(((active + 1 + step + suggestions.length + 1) % (suggestions.length + 1)) - 1);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });
  const hintElement = hint && h("p", { id: `${id}-hint`, class: "hint" }, hint);
  app.nameIndexReady.then(
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
 * Row of the repository that is called `name`, with or without its owner and with any separators; -1 if there is none.
 * @param {App} app
 * @param {string} name as `normalizeQuery` returns it
 */
function rowByName({ catalogue, nameIndex }, name) {
  const exact = catalogue.indexOfName(name);
  if (exact >= 0) return exact;
  const joined = (/** @type {string} */ text) => text.toLowerCase().replace(/[\s_.-]+/g, "-");
  const hits = nameIndex?.search(name, MAX_NAMES) ?? [];
  const hit = hits.find(({ index }) => joined(catalogue.names[index].replace(/^.*\//, "")) === joined(name));
  return hit ? hit.index : -1;
}

/**
 * One suggestion, with what was typed marked in it.
 * @param {App} app
 * @param {string} id
 * @param {Suggestion} suggestion
 * @param {string} typed
 * @param {(suggestion: Suggestion) => void} choose
 */
function option(app, id, suggestion, typed, choose) {
  const { row, edits, byMeaning } = suggestion;
  const { catalogue } = app;
  const stars = row >= 0 && catalogue.stars.length > row ? `${formatCount(catalogue.stars[row])} ★` : "";
  const content =
    row < 0
      ? [h("span", { class: "search-for" }, "Search for ", h("q", {}, shortened(typed.trim())))]
      : [
          h(
            "span",
            { class: "name" },
            ...(byMeaning || edits ? [catalogue.names[row]] : marked(catalogue.names[row], typed)),
          ),
          h("span", { class: "aside" }, byMeaning ? "by meaning" : edits ? "similar name" : stars),
          catalogue.description(row) && h("span", { class: "about" }, catalogue.description(row)),
          isPlacedByText(app, row) && placedMark(),
        ];
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
