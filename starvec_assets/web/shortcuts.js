// Keys that work in every view: / and Ctrl-K, on a Mac Cmd-K, go to the field that searches.

/** Fields in which a key is a character. */
const TYPED_IN = "input:not([type=checkbox], [type=range]), textarea, select, [contenteditable]";

/** Listen to the keys until the page is left. */
export function enableShortcuts() {
  document.addEventListener("keydown", (event) => {
    const isSlash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey;
    const isK = event.key.toLowerCase() === "k" && event.ctrlKey !== event.metaKey && !event.altKey && !event.shiftKey;
    const isTyping = event.target instanceof Element && event.target.closest(TYPED_IN);
    if (!(isSlash || isK) || event.defaultPrevented || event.isComposing || isTyping) return;
    event.preventDefault();
    if (focusSearch()) return;
    addEventListener("viewshown", focusAfterLoad, { once: true }); // by the router, once the view's module is there
    location.hash = "#/search";
  });
}

/** Focus the field unless another view is shown: this one may not have loaded. */
function focusAfterLoad() {
  if (location.hash.startsWith("#/search")) focusSearch();
}

/** Focus the field of the view that searches; whether there is one. */
function focusSearch() {
  const field = /** @type {HTMLInputElement | null} */ (document.querySelector("main [role=combobox]"));
  field?.focus();
  field?.select();
  return field !== null;
}
