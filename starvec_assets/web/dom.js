// Builds elements from data. Text only ever becomes text nodes: nothing here parses a string as markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Record<string, string | number | boolean | null | undefined | EventListener>} Properties
 */

/**
 * An HTML element. `on…` properties are listeners; true sets an empty attribute; false, null and undefined set none.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, properties = {}, ...children) {
  return /** @type {HTMLElementTagNameMap[T]} */ (populate(document.createElement(tag), properties, children));
}

/**
 * An SVG element; otherwise like `h`.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Properties} [properties]
 * @param {...Child} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, properties = {}, ...children) {
  return /** @type {SVGElementTagNameMap[T]} */ (populate(document.createElementNS(SVG, tag), properties, children));
}

/**
 * Set the properties and append the children.
 * @template {Element} E
 * @param {E} element
 * @param {Properties} properties
 * @param {Child[]} children
 * @returns {E}
 */
function populate(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, String(value));
  }
  element.append(...nodes(children));
  return element;
}

/** What `append` takes: nodes and strings, without the empty children. @param {Child[]} children */
function nodes(children) {
  return children
    .filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : String(child)));
}

/**
 * Replace the children of `parent`; focus stays on the same link or field if it is among the new ones.
 * @param {Element} parent
 * @param {...Child} children
 */
export function replace(parent, ...children) {
  const selector = focusedIn(parent);
  parent.replaceChildren(...nodes(children));
  if (selector) /** @type {HTMLElement | null} */ (parent.querySelector(selector))?.focus({ preventScroll: true });
}

/** A selector of the link or field in `parent` that has the focus, "" if none has. @param {Element} parent */
export function focusedIn(parent) {
  const active = document.activeElement;
  if (!active || active === parent || !parent.contains(active)) return "";
  const href = active.getAttribute("href");
  return active.id ? `#${CSS.escape(active.id)}` : href ? `[href="${CSS.escape(href)}"]` : "";
}

/**
 * A text in which a narrow line is broken after the slash of owner/name before it is within a word.
 * @param {string} text
 * @returns {(Node | string)[]}
 */
export function breakable(text) {
  const slash = text.indexOf("/") + 1;
  return slash ? [text.slice(0, slash), h("wbr"), text.slice(slash)] : [text];
}

/** Text in any script, which leaves the direction of what is around it alone. @param {string} text */
export const isolated = (text) => h("bdi", {}, text);

const SPACING_MS = 1000; // between announcements, so that none cuts off the one before
const MAX_WAITING = 2; // announcements, beyond which the oldest are out of date
/** @type {string[]} */
const waiting = [];
let announcedAt = -SPACING_MS;
let timer = 0;

/** Announce `text` to screen readers, in turn with what else is announced. @param {string} text */
export function announce(text) {
  if (waiting.at(-1) !== text) waiting.push(text);
  waiting.splice(0, waiting.length - MAX_WAITING);
  if (!timer) timer = setTimeout(announceNext, Math.max(0, announcedAt + SPACING_MS - performance.now()));
}

function announceNext() {
  const region = document.getElementById("announcer");
  region?.append(h("p", {}, waiting.shift()));
  if (region && region.childElementCount > 3) region.firstElementChild?.remove();
  announcedAt = performance.now();
  timer = waiting.length ? setTimeout(announceNext, SPACING_MS) : 0;
}

/** Message of anything that was thrown. @param {unknown} error */
export const errorMessage = (error) => (error instanceof Error ? error.message : String(error));

/** A row of links. @param {[href: string, text: string][]} links */
export const chips = (links) =>
  links.flatMap(([href, text]) => [h("a", { class: "chip", href }, ...breakable(text)), " "]);

/** A whole number with thousands separated: 300,000. @param {number} value */
export const formatCount = (value) => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ",");

/** Stars of a repository in the data, which are fewer than GitHub counts. @param {number} stars */
export const formatStars = (stars) => `${formatCount(stars)} ★ in these data`;

/** A month: 2024-02 as Feb 2024. @param {string} month */
export const formatMonth = (month) => formatUtc(`${month}-01`, { month: "short", year: "numeric" });

/** A day: 2024-02-29 as Feb 29, 2024. @param {string} day */
export const formatDay = (day) => formatUtc(day, { day: "numeric", month: "short", year: "numeric" });

/**
 * @param {string} day YYYY-MM-DD
 * @param {Intl.DateTimeFormatOptions} options
 */
const formatUtc = (day, options) => new Date(day).toLocaleDateString("en-US", { ...options, timeZone: "UTC" });

const ORDINAL_RULES = new Intl.PluralRules("en-US", { type: "ordinal" });
const ORDINAL_SUFFIXES = { one: "st", two: "nd", few: "rd", other: "th", zero: "th", many: "th" };

/** A rank: 1st, 2nd, 3rd, 11th. @param {number} rank */
export const formatOrdinal = (rank) => `${formatCount(rank)}${ORDINAL_SUFFIXES[ORDINAL_RULES.select(rank)]}`;

/** A size in megabytes: 38 MB, 4.2 MB, at least 0.1 MB. @param {number} bytes */
export function formatMegabytes(bytes) {
  const mb = bytes / 1e6;
  return `${mb >= 10 ? Math.round(mb) : mb >= 0.1 ? mb.toFixed(1) : "0.1"} MB`;
}

/**
 * A number followed by its noun: 1 star, 2 stars.
 * @param {number} n
 * @param {string} singular
 * @param {string} [plural]
 */
export const pluralize = (n, singular, plural = `${singular}s`) => `${formatCount(n)} ${n === 1 ? singular : plural}`;
