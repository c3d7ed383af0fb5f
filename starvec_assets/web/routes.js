// The modules of the views. Each is loaded when it is first shown: together they are most of the page's files, of which
// a browser fetches six at a time from a host without HTTP/2.

import { BundleError } from "./engine/validate.js";

const profile = () => loaded(import("./views/profile_view.js"));

/** Loads the module of the view that a route shows, by the route: what an address has after "#/". */
export const VIEWS = {
  "": () => loaded(import("./views/start_view.js")),
  user: profile,
  dev: profile,
  compare: profile,
  similar: () => loaded(import("./views/similar_view.js")),
  search: () => loaded(import("./views/search_view.js")),
  map: () => loaded(import("./views/map_view.js")),
  rising: () => loaded(import("./views/rising_view.js")),
  match: () => loaded(import("./views/match_view.js")),
  about: () => loaded(import("./views/about_view.js")),
};

/** Load the module of the view of an address before it is asked for. @param {string} fragment with its "#" */
export function preloadView(fragment) {
  const [, route = ""] = fragment.split(/[/?]/);
  if (Object.hasOwn(VIEWS, route)) VIEWS[/** @type {keyof typeof VIEWS} */ (route)]().catch(() => {}); // the router shows it
}

/** Load the modules of all views, so that each opens at once, and although the host may have another release by then. */
export const loadViews = () => Promise.all(Object.values(VIEWS).map((load) => load()));

/**
 * @template T
 * @param {Promise<T>} module
 * @throws {BundleError}
 */
async function loaded(module) {
  try {
    return await module;
  } catch {
    throw new BundleError("This view could not be loaded: is there a network?");
  }
}
