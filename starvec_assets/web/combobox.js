// A text field that offers names while one types: the combobox pattern of WAI-ARIA, list autocomplete with manual
// selection. Arrow keys, Enter, Escape; the list is a listbox whose active option is named by aria-activedescendant.

import { announce, count, h, plural, said } from "./dom.js";
import { tidy } from "./names.js";

/** @typedef {import('./app.js').App} App */

/**
 * @param {App} app
 * @param {{id: string, label: string, hint?: string, button: string, onChoose: (index: number) => void, onMissing: (text: string) => void}} options
 *   onMissing: what was entered is no name here
 */
export function combobox(app, { id, label, hint = "", button, onChoose, onMissing }) {
  let active = -1;
  /** @type {import('./names.js').Hit[]} */
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
  const mark = (/** @type {number} */ to) => {
    active = to;
    [...list.children].forEach((option, i) => option.setAttribute("aria-selected", String(i === active)));
    if (active < 0) input.removeAttribute("aria-activedescendant");
    else {
      input.setAttribute("aria-activedescendant", `${id}-${active}`);
      list.children[active].scrollIntoView({ block: "nearest" });
    }
  };
  const offer = () => {
    hits = app.names ? app.names.search(input.value, 10) : [];
    if (!hits.length) {
      close();
      if (input.value.trim().length > 2) announce(app.names ? "No repository of that name" : "Names are still loading");
      return;
    }
    list.replaceChildren(...hits.map((hit, i) => option(app, `${id}-${i}`, hit, tidy(input.value), choose)));
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    mark(-1);
    announce(`${plural(hits.length, "name")}, ${hits[0].typos ? "none exactly as typed" : "arrow keys choose"}`);
  };
  const submit = () => {
    const text = input.value;
    if (!text.trim()) return input.focus();
    const exact = app.catalogue.indexOfName(tidy(text));
    if (active >= 0) choose(hits[active].index);
    else if (exact >= 0) choose(exact);
    else if (hits.length && !hits[0].typos && !tidy(text).includes("/")) choose(hits[0].index);
    else {
      close();
      onMissing(text);
    }
  };

  input.addEventListener("input", offer);
  input.addEventListener("focus", () => input.value && offer());
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open = !list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (!open) return offer();
      const step = event.key === "ArrowDown" ? 1 : -1;
      mark(((active + 1 + step + hits.length + 1) % (hits.length + 1)) - 1);
    } else if (event.key === "Escape" && open) {
      event.preventDefault();
      close();
    }
  });
  const told = hint && h("p", { id: `${id}-hint`, class: "hint" }, hint);
  app.namesIndexed.then(
    () => document.activeElement === input && input.value && offer(),
    (error) => told && (told.textContent = said(error)),
  );

  return h(
    "form",
    { class: "ask", role: "search", onsubmit: (event) => (event.preventDefault(), submit()) },
    h("label", { for: id }, label),
    h("div", { class: "field" }, input, h("button", { type: "submit" }, button), list),
    told,
  );
}

/**
 * @param {App} app
 * @param {string} id
 * @param {import('./names.js').Hit} hit
 * @param {string} typed
 * @param {(index: number) => void} choose
 */
function option(app, id, hit, typed, choose) {
  const name = app.catalogue.names[hit.index];
  const at = name.toLowerCase().indexOf(typed);
  const known = app.catalogue.stars.length > hit.index;
  return h(
    "li",
    {
      id,
      role: "option",
      "aria-selected": "false",
      onpointerdown: (event) => event.preventDefault(), // the field keeps the focus
      onclick: () => choose(hit.index),
    },
    h(
      "span",
      { class: "name" },
      ...(at < 0 || hit.typos
        ? [name]
        : [name.slice(0, at), h("mark", {}, name.slice(at, at + typed.length)), name.slice(at + typed.length)]),
    ),
    h(
      "span",
      { class: "aside" },
      hit.typos ? "similar name" : known ? `${count(app.catalogue.stars[hit.index])} ★` : "",
    ),
  );
}
