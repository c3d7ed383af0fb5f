// Entry point: opens the bundle and shows the view that the address names.

import { errorMessage, h, replace } from "./dom.js";
import { dataUrl } from "./engine/model.js";
import { parseLogin } from "./login_form.js";
import { hasMap, MAP_FILE } from "./map/map_data.js";
import { decodeProfile, LinkError } from "./share_link.js";
import { MAX_QUERY_LENGTH, openApp } from "./state.js";
import { hasTrends, TRENDS_FILE } from "./trends_data.js";
import { aboutView } from "./views/about_view.js";
import { mapView } from "./views/map_view.js";
import { otherProfileView, ownProfileView } from "./views/profile_view.js";
import { risingView } from "./views/rising_view.js";
import { searchView } from "./views/search_view.js";
import { similarView } from "./views/similar_view.js";
import { startView } from "./views/start_view.js";

/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

/**
 * @typedef {object} View
 * @property {string} title of the document, "" for the page's own
 * @property {string} section route of the navigation link that is marked as current, "" for none
 * @property {(Node | false | null)[]} nodes
 */

const MAX_FRAGMENT_LENGTH = 9 * MAX_QUERY_LENGTH + 1000; // characters that are parsed: a query of any script, encoded
const SCROLL_TIMEOUT_MS = 2000; // how long a view may take to grow to the length it had
/** Routes of links made before the routes were renamed. @type {Record<string, string>} */
const OLD_ROUTES = { you: "user", near: "similar", made: "about", with: "compare" };

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** Aborted when the current view is left. */
let viewController = new AbortController();

/**
 * The view of the current address.
 * @param {App} app
 * @param {AbortSignal} signal
 * @returns {View}
 */
function resolveRoute(app, signal) {
  const fragment = location.hash.slice(1);
  const [path, query = ""] = fragment.slice(0, MAX_FRAGMENT_LENGTH).split("?", 2);
  const [, route = "", ...rest] = path.split("/");
  const argument = rest.join("/");
  if (path === "" || path === "/") return { title: "", section: "", nodes: startView(app, signal) };
  switch (route) {
    case "user": {
      const login = parseLogin(decodeSegment(argument));
      return { title: "Profile", section: "user", nodes: ownProfileView(app, signal, login) };
    }
    case "similar": {
      const parameters = new URLSearchParams(query);
      const title = parameters.getAll("plus").join(", ").slice(0, 100) || "Repositories";
      return { title, section: "search", nodes: similarView(app, signal, parameters) };
    }
    case "search": {
      const parameters = new URLSearchParams(query);
      const title = (parameters.get("q") ?? "").trim().slice(0, 100) || "Find by words";
      return { title, section: "search", nodes: searchView(app, signal, parameters) };
    }
    case "map":
      if (!hasMap(app.model)) return messageView("There is no map", "These data were made without a map.");
      return { title: "The map", section: "map", nodes: mapView(app, signal, new URLSearchParams(query)) };
    case "rising":
      if (!hasTrends(app.model)) return messageView("There are no trends", "These data were made without trends.");
      return { title: "What is rising", section: "rising", nodes: risingView(app, signal, new URLSearchParams(query)) };
    case "about":
      return { title: "How it was made", section: "about", nodes: aboutView(app) };
    case "dev":
      return developerProfile(app, signal, decodeSegment(argument));
    case "compare":
      return sharedProfile(app, signal, fragment.slice("/compare/".length));
    default:
      return messageView("There is no such view", "The address names nothing that this page has.");
  }
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} login
 * @returns {View}
 */
function developerProfile(app, signal, login) {
  const developer = app.people.developers.find((one) => one.login.toLowerCase() === login.toLowerCase());
  if (!developer)
    return messageView(
      "Nobody of that name",
      "No developer of that login came with this model. A login of anybody can be looked up under Profile.",
    );
  const { name, vector, starsUsed } = developer;
  const person = otherPerson(app, { kind: "developer", login: developer.login, name, vector, starsUsed });
  return { title: name, section: "user", nodes: otherProfileView(app, signal, person) };
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} payload of the link
 * @returns {View}
 */
function sharedProfile(app, signal, payload) {
  try {
    const { vector, starsUsed, login } = decodeProfile(payload, app.model);
    const person = otherPerson(app, { kind: "shared", login, name: login, vector, starsUsed });
    return { title: login || "A shared profile", section: "user", nodes: otherProfileView(app, signal, person) };
  } catch (error) {
    if (error instanceof LinkError) return messageView("This link cannot be shown", error.message);
    throw error;
  }
}

/**
 * A person of whom only the vector is known, not the starred repositories.
 * @param {App} app
 * @param {Pick<Person, "kind" | "login" | "name" | "vector" | "starsUsed">} known
 * @returns {Person}
 */
const otherPerson = (app, known) => ({ ...known, exact: app.engine.exact, starred: new Uint32Array(0), stars: null });

/**
 * @param {string} title
 * @param {string} message
 * @returns {View}
 */
function messageView(title, message) {
  return {
    title,
    section: "",
    nodes: [
      h(
        "section",
        { class: "narrow" },
        h("h1", { tabindex: -1 }, title),
        h("p", { class: "lead", role: "alert" }, message),
        h("p", {}, h("a", { href: "#/" }, "To the start")),
      ),
    ],
  };
}

/** `segment` percent-decoded, or as it is where its encoding is malformed. @param {string} segment */
function decodeSegment(segment) {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/** Replace the route of an old link by its present name; the rest of the address stays. */
function redirectOldRoute() {
  const match = /^#\/([a-z]+)(?=[/?]|$)/.exec(location.hash);
  if (!match || !Object.hasOwn(OLD_ROUTES, match[1])) return;
  history.replaceState(history.state, "", `#/${OLD_ROUTES[match[1]]}${location.hash.slice(match[0].length)}`);
}

/** Show the view of the current address in place of the one before. @param {App} app */
function renderView(app) {
  viewController.abort();
  viewController = new AbortController();
  redirectOldRoute();
  const { title, section, nodes } = resolveRoute(app, viewController.signal);
  document.title = title ? `${title} · starvec` : "starvec: what your stars say about you";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  replace(main, ...nodes);
}

/** Scroll position in pixels at which each history entry was left, by entry id. @type {Map<number, number>} */
const scrollPositions = new Map();
let entryId = currentEntryId();

/** Id of the current history entry, assigned when it has none yet. @returns {number} */
function currentEntryId() {
  if (!history.state?.entryId) history.replaceState({ ...history.state, entryId: Math.random() }, "");
  return history.state.entryId;
}

/** Show the view of a new address, scrolled to where it was left if it was seen before. @param {App} app */
function navigate(app) {
  scrollPositions.set(entryId, scrollY);
  entryId = currentEntryId();
  renderView(app);
  main.querySelector("h1")?.focus({ preventScroll: true });
  restoreScroll(scrollPositions.get(entryId) ?? 0, viewController.signal);
}

/**
 * Scroll to `y`, trying again until the list has rendered or SCROLL_TIMEOUT_MS have passed.
 * @param {number} y
 * @param {AbortSignal} signal
 */
function restoreScroll(y, signal) {
  const deadline = performance.now() + SCROLL_TIMEOUT_MS;
  let reached = 0;
  const step = () => {
    if (signal.aborted || scrollY < reached) return; // another view, or the reader scrolled
    scrollTo(0, y);
    reached = scrollY;
    if (reached < y - 1 && performance.now() < deadline) requestAnimationFrame(step);
  };
  step();
}

async function start() {
  const base = new URL("data/", document.baseURI);
  history.scrollRestoration = "manual"; // the browser would restore it before the view has rendered
  if (location.hash.length > "#/".length) replace(main, h("p", { class: "hint", role: "status" }, "Loading …"));
  try {
    const app = await openApp(base);
    if (!hasTrends(app.model)) document.querySelector('nav a[href="#/rising"]')?.remove();
    if (!hasMap(app.model)) document.querySelector('nav a[href="#/map"]')?.remove();
    renderView(app);
    addEventListener("hashchange", () => {
      app.downloadConsented = true; // the visitor acted on the page, which shows the size of the download
      navigate(app);
    });
    enableOffline(app, base).catch(() => {}); // without it files are fetched again at the next visit
  } catch (error) {
    replace(
      main,
      h(
        "section",
        { class: "narrow" },
        h("h1", {}, "The page could not be opened"),
        h("p", { class: "lead", role: "alert" }, errorMessage(error)),
        h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Try again")),
      ),
    );
  }
}

/**
 * Register the service worker, and note in the footer when everything is stored on this device.
 * @param {App} app
 * @param {URL} base
 */
async function enableOffline(app, base) {
  if (!("serviceWorker" in navigator)) return;
  await Promise.all([app.catalogue.namesReady, app.catalogue.columnsReady]);
  await navigator.serviceWorker.register("service-worker.js");
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) =>
      navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
    );
  if (!(await app.engine.stored)) return;
  await app.catalogue.loadDescriptions();
  const optional = [MAP_FILE, TRENDS_FILE].filter((name) => Object.hasOwn(app.model.files, name));
  const fetched = ["descriptions.gz", ...optional];
  for (const name of fetched) await fetch(dataUrl(base, name, app.model)); // the service worker stores what passes
  const files = ["people.json", "names.gz", "columns.gz", ...fetched];
  const copies = await Promise.all(files.map((name) => caches.match(dataUrl(base, name, app.model))));
  const status = document.getElementById("offline-status");
  if (status && copies.every(Boolean))
    status.textContent = "This device has all of it now: the page opens without network.";
}

// Fragments are routes here, so the skip link cannot use one.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

start();
