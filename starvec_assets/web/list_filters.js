// Filters of the lists of repositories, held by the address of each view that has such a list.

import { normalizeTopic } from "./github_names.js";

/** @import { App } from "./state.js" */

/**
 * @typedef {object} Filters
 * @property {string} language "" for any
 * @property {string} topic "" for any
 * @property {number} minStars
 * @property {number} months since a repository was last seen in the data, 0 for any number
 * @property {number} fame from -4, niche, to 4, famous
 */

/** Parameter of each filter in an address. @type {Record<keyof Filters, string>} */
const PARAMETERS = { language: "language", topic: "topic", minStars: "stars", months: "months", fame: "fame" };
/** Views whose addresses hold them; that of what is rising has filters of its own. */
const FILTERED_VIEWS = /^#\/(similar|search|user|dev|compare|map)(?=[/?]|$)/;

/**
 * The filters that an address holds.
 * @param {string} href fragment
 * @returns {Filters}
 */
function parseFilters(href) {
  const parameters = new URLSearchParams(FILTERED_VIEWS.test(href) ? href.split("?")[1] : "");
  const integer = (/** @type {string} */ name, /** @type {number} */ low, /** @type {number} */ high) =>
    Math.min(high, Math.max(low, Math.round(Number(parameters.get(name))) || 0));
  return {
    language: (parameters.get(PARAMETERS.language) ?? "").slice(0, 100),
    topic: normalizeTopic(parameters.get(PARAMETERS.topic) ?? ""),
    minStars: integer(PARAMETERS.minStars, 0, 1e9),
    months: integer(PARAMETERS.months, 0, 1200),
    fame: integer(PARAMETERS.fame, -4, 4),
  };
}

/**
 * An address with these filters in place of its own; unchanged if its view has none.
 * @param {string} href fragment
 * @param {Filters} filters
 */
export function withFilters(href, filters) {
  if (!FILTERED_VIEWS.test(href)) return href;
  const [path, query = ""] = href.split("?", 2);
  const names = Object.values(PARAMETERS);
  const others = query.split("&").filter((part) => part && !names.includes(part.replace(/=.*/, "")));
  const own = Object.entries(PARAMETERS)
    .filter(([key]) => filters[/** @type {keyof Filters} */ (key)])
    .map(([key, name]) => `${name}=${encodeURIComponent(filters[/** @type {keyof Filters} */ (key)])}`);
  return [path, [...others, ...own].join("&")].filter(Boolean).join("?");
}

/**
 * Change filters, and the address of the current view with them.
 * @param {App} app
 * @param {Partial<Filters>} changes
 */
export function setFilters(app, changes) {
  Object.assign(app.filters, changes);
  history.replaceState(history.state, "", withFilters(location.hash, app.filters));
}

/**
 * Take the filters of the address, or give it those that are set, if it was followed inside the page and has none.
 * @param {App} app
 * @param {boolean} isNew whether its view was not shown before
 */
export function syncFilters(app, isNew) {
  const given = parseFilters(location.hash);
  if (isNew && Object.values(given).every((value) => !value)) setFilters(app, {});
  else if (FILTERED_VIEWS.test(location.hash)) Object.assign(app.filters, given);
}
