// Elements from data. Text becomes text nodes and nothing else: there is no way here to make markup of a string.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Properties
 */

/**
 * An HTML element; `on…` properties are listeners, true is an empty attribute, false, null and undefined are none.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  return /** @type {HTMLElementTagNameMap[T]} */ (fill(document.createElement(tag), properties, children));
}

/**
 * An SVG element, otherwise like `h`.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, properties = {}, ...children) {
  return /** @type {SVGElementTagNameMap[T]} */ (fill(document.createElementNS(SVG, tag), properties, children));
}

/**
 * @template {Element} E
 * @param {E} element
 * @param {Properties} properties
 * @param {Child[]} children
 * @returns {E}
 */
function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

/** @param {Child[]} children */
function nodes(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Put `children` in place of what `parent` holds; the focus stays where it was if the same link or field is there again.
 * @param {Element} parent
 * @param {...Child} children
 */
export function replace(parent, ...children) {
  const active = document.activeElement;
  const inside = active && active !== parent && parent.contains(active);
  const key =
    inside &&
    (active.id
      ? `#${CSS.escape(active.id)}`
      : active.getAttribute("href")
        ? `[href="${CSS.escape(active.getAttribute("href") ?? "")}"]`
        : "");
  parent.replaceChildren(...nodes(children));
  if (key) /** @type {HTMLElement | null} */ (parent.querySelector(key))?.focus({ preventScroll: true });
}

/** Say `text` to screen readers, after what was said a moment ago and not in its place. @param {string} text */
export function announce(text) {
  const region = document.getElementById("announcer");
  if (!region) return;
  region.append(h("p", {}, text));
  if (region.childElementCount > 3) region.firstElementChild?.remove();
}

/** What went wrong, for the reader. @param {unknown} error */
export const said = (error) => (error instanceof Error ? error.message : String(error));

/** Links beside each other. @param {[href: string, text: string][]} links */
export const chips = (links) => links.flatMap(([href, text]) => [h("a", { class: "chip", href }, text), " "]);

/** A whole number with thousands separated: 300,000. @param {number} value */
export const count = (value) => Math.round(value).toLocaleString("en-US");

/** A size that a person asked for can judge: 38.4 MB. @param {number} bytes */
export function megabytes(bytes) {
  const mb = bytes / 1e6;
  return `${mb >= 10 ? Math.round(mb) : mb >= 0.1 ? mb.toFixed(1) : "0.1"} MB`;
}

/** `one` or `many` behind its number. @param {number} n @param {string} one @param {string} [many] */
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;
