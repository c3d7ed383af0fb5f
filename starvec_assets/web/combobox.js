// Text field that suggests repository names: WAI-ARIA's combobox pattern, list autocomplete with manual selection.
// Arrow keys, Enter and Escape; the list is a listbox whose active option is named by aria-activedescendant.

import { announce, errorMessage, formatCount, h, pluralize } from "./dom.js";
import { normalizeQuery } from "./name_search.js";

/** @import { Hit } from "./name_search.js" */
/** @import { App } from "./state.js" */

/**
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.label
 * @param {string} [options.hint]
 * @param {string} options.button
 * @param {(index: number) => void} options.onChoose called with the row of a known name
 * @param {(text: string) => void} options.onMissing called with a text that is no known name
 */
export function combobox(app, { id, label, hint = "", button, onChoose, onMissing }) {
  let active = -1;
  /** @type {Hit[]} */
  let hits = [];
  const list = h("ul", { id: `${id}-list`, role: "listbox", "aria-label": "Repositories", hidden: true });
  const input = h("input", {
    id,
    type: "search",
    role: "combobox",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": `${id}-list`,
    "aria-describedby": hint ? `${id}-hint` : null,
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 200,
    placeholder: "owner/name, or a part of it",
  });

  const close = () => {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  };
  const choose = (/** @type {number} */ index) => {
    close();
    input.value = "";
    onChoose(index);
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
  const showOptions = () => {
    hits = app.nameIndex ? app.nameIndex.search(input.value, 10) : [];
    if (!hits.length) {
      close();
      if (input.value.trim().length > 2)
        announce(app.nameIndex ? "No repository of that name" : "Names are still loading");
      return;
    }
    list.replaceChildren(...hits.map((hit, i) => option(app, `${id}-${i}`, hit, normalizeQuery(input.value), choose)));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    setActive(-1);
    announce(`${pluralize(hits.length, "name")}, ${hits[0].edits ? "none exactly as typed" : "arrow keys choose"}`);
  };
  const submit = () => {
    const text = input.value;
    if (!text.trim()) return input.focus();
    const exact = app.catalogue.indexOfName(normalizeQuery(text));
    if (active >= 0) choose(hits[active].index);
    else if (exact >= 0) choose(exact);
    else if (hits.length && !hits[0].edits && !normalizeQuery(text).includes("/")) choose(hits[0].index);
    else {
      close();
      onMissing(text);
    }
  };

  input.addEventListener("input", showOptions);
  input.addEventListener("focus", () => input.value && showOptions());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return showOptions();
      const step = event.key === "ArrowDown" ? 1 : -1;
      setActive(((active + 1 + step + hits.length + 1) % (hits.length + 1)) - 1);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });
  const hintElement = hint && h("p", { id: `${id}-hint`, class: "hint" }, hint);
  app.nameIndexReady.then(
    () => document.activeElement === input && input.value && showOptions(),
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
 * @param {App} app
 * @param {string} id
 * @param {Hit} hit
 * @param {string} typed
 * @param {(index: number) => void} choose
 */
function option(app, id, hit, typed, choose) {
  const name = app.catalogue.names[hit.index];
  const at = name.toLowerCase().indexOf(typed);
  const starsKnown = app.catalogue.stars.length > hit.index;
  return h(
    "li",
    {
      id,
      role: "option",
      "aria-selected": "false",
      onpointerdown: (event) => event.preventDefault(), // keeps the focus in the field
      onclick: () => choose(hit.index),
    },
    h(
      "span",
      { class: "name" },
      ...(at < 0 || hit.edits
        ? [name]
        : [name.slice(0, at), h("mark", {}, name.slice(at, at + typed.length)), name.slice(at + typed.length)]),
    ),
    h(
      "span",
      { class: "aside" },
      hit.edits ? "similar name" : starsKnown ? `${formatCount(app.catalogue.stars[hit.index])} ★` : "",
    ),
  );
}
