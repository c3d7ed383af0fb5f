// Entry point: opens the bundle and shows the view that the address names.

import { errorMessage, focusedIn, h, replace } from "./dom.js";
import { failureNotice } from "./download_progress.js";
import { hasMap, hasTrends } from "./engine/model.js";
import { connectIntroduction } from "./introduction.js";
import { syncFilters } from "./list_filters.js";
import { parseLogin } from "./login.js";
import { enableOffline, reloadToNewest } from "./offline.js";
import { developerPerson, findDeveloper, linkedPerson } from "./person.js";
import { loadViews, VIEWS } from "./routes.js";
import { LinkError } from "./share_link.js";
import { enableShortcuts } from "./shortcuts.js";
import { base } from "./startup.js";
import { openApp, userHref } from "./state.js";

/** @import { App } from "./state.js" */

/**
 * @typedef {object} View
 * @property {string} title of the document, "" for the page's own
 * @property {string} section route of the navigation link that is marked as current, "" for none
 * @property {(Node | false | null)[]} nodes
 */

const MAX_FRAGMENT_LENGTH = 120_000; // characters that are parsed: a team of 50 cards, or a query of any script, encoded
const RESTORE_TIMEOUT_MS = 2000; // how long a view may take to be as it was left
/** Routes of links made before the routes were renamed. @type {Record<string, string>} */
const OLD_ROUTES = { you: "user", near: "similar", made: "about", with: "compare" };

const main = /** @type {HTMLElement} */ (document.getElementById("main"));
/** Aborted when the current view is left. */
let viewController = new AbortController();

/**
 * The view of the current address.
 * @param {App} app
 * @param {AbortSignal} signal
 * @returns {Promise<View>}
 * @throws {BundleError} if the view's module cannot be loaded
 */
async function resolveRoute(app, signal) {
  const fragment = location.hash.slice(1);
  const [path, query = ""] = fragment.slice(0, MAX_FRAGMENT_LENGTH).split("?", 2);
  const [, route = "", ...rest] = path.split("/");
  const argument = rest.join("/");
  if (path === "" || path === "/") {
    const { startView } = await VIEWS[""]();
    return { title: "", section: "", nodes: startView(app) };
  }
  switch (route) {
    case "user": {
      const { ownProfileView } = await VIEWS.user();
      const login = parseLogin(decodeSegment(argument));
      return { title: "Profile", section: "user", nodes: ownProfileView(app, signal, login) };
    }
    case "similar": {
      const { similarView } = await VIEWS.similar();
      const parameters = new URLSearchParams(query);
      const title = parameters.getAll("plus").join(", ").slice(0, 100) || "Repositories";
      return { title, section: "search", nodes: similarView(app, signal, parameters) };
    }
    case "search": {
      const { searchView } = await VIEWS.search();
      const parameters = new URLSearchParams(query);
      const title = (parameters.get("q") ?? "").trim().slice(0, 100) || "Find by words";
      return { title, section: "search", nodes: searchView(app, signal, parameters) };
    }
    case "map": {
      if (!hasMap(app.model)) return messageView("There is no map", "These data were made without a map.");
      const { mapView } = await VIEWS.map();
      return { title: "The map", section: "map", nodes: mapView(app, signal, new URLSearchParams(query)) };
    }
    case "rising": {
      if (!hasTrends(app.model)) return messageView("There are no trends", "These data were made without trends.");
      const { risingView } = await VIEWS.rising();
      return { title: "What is rising", section: "rising", nodes: risingView(app, signal, new URLSearchParams(query)) };
    }
    case "match": {
      const { matchView } = await VIEWS.match();
      return { title: "People together", section: "match", nodes: matchView(app, signal, new URLSearchParams(query)) };
    }
    case "about": {
      const { aboutView } = await VIEWS.about();
      return { title: "How it was made", section: "about", nodes: aboutView(app) };
    }
    case "dev":
      return developerProfile(app, signal, decodeSegment(argument), isAlone(query));
    case "compare":
      return linkedPeople(app, signal, argument, isAlone(query));
    default:
      return messageView("There is no such view", "The address names nothing that this page has.");
  }
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} login
 * @param {boolean} alone whether the profile is shown without the comparison with the current user
 * @returns {Promise<View>}
 */
async function developerProfile(app, signal, login, alone) {
  const developer = findDeveloper(app, login);
  if (!developer)
    return messageView(
      "Nobody of that name",
      "No developer of that login came with this model. A login of anybody can be looked up under Profile.",
    );
  const { otherProfileView } = await VIEWS.dev();
  const person = developerPerson(developer);
  return { title: person.name, section: "user", nodes: otherProfileView(app, signal, person, alone) };
}

/** Whether the query of an address asks for a profile without the comparison. @param {string} query */
const isAlone = (query) => new URLSearchParams(query).has("alone");

/**
 * The profile in a link, or the comparison of two.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} payload of the link: a profile, or two, or one and @ and a developer's login, with a slash between
 * @param {boolean} alone
 * @returns {Promise<View>}
 */
async function linkedPeople(app, signal, payload, alone) {
  const { otherProfileView, pairView } = await VIEWS.compare();
  try {
    const [first, second, ...others] = payload.split("/").map((text) => {
      const developer = text.startsWith("@") && findDeveloper(app, decodeSegment(text.slice(1)));
      return developer ? developerPerson(developer) : linkedPerson(app, text);
    });
    if (others.length) throw new LinkError("This link holds more than two profiles: ask for the link of each two.");
    const title = [first, second]
      .map((person) => person?.login)
      .filter(Boolean)
      .join(" and ");
    const nodes = second ? pairView(app, signal, first, second) : otherProfileView(app, signal, first, alone);
    return { title: title || "A shared profile", section: "user", nodes };
  } catch (error) {
    if (error instanceof LinkError) return messageView("This link cannot be shown", error.message);
    throw error;
  }
}

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

/**
 * Show the view of the current address in place of the one before; whether it is still the current one.
 * @param {App} app
 */
async function renderView(app) {
  viewController.abort();
  viewController = new AbortController();
  const { signal } = viewController;
  redirectOldRoute();
  const { title, section, nodes } = await resolveRoute(app, signal);
  if (signal.aborted) return false;
  document.title = title ? `${title} · starvec` : "starvec: what your stars say about you";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  replace(main, ...nodes);
  return true;
}

/**
 * How each history entry was left, by entry id: scroll position in pixels, and a selector of the element that had the
 * focus, "" for none.
 * @type {Map<number, {y: number, focused: string}>}
 */
const leftEntries = new Map();
let entryId = currentEntryId();

/** Id of the current history entry, assigned when it has none yet. @returns {number} */
function currentEntryId() {
  if (!history.state?.entryId) history.replaceState({ ...history.state, entryId: Math.random() }, "");
  return history.state.entryId;
}

/** Show the view of a new address; one that was seen before, as it was left. @param {App} app */
async function navigate(app) {
  leftEntries.set(entryId, { y: scrollY, focused: focusedIn(main) });
  syncFilters(app, !history.state?.entryId);
  entryId = currentEntryId();
  if (!(await renderView(app))) return;
  const heading = main.querySelector("h1");
  heading?.focus({ preventScroll: true });
  dispatchEvent(new Event("viewshown"));
  const { y, focused } = leftEntries.get(entryId) ?? { y: 0, focused: "" };
  restoreScroll(y, viewController.signal);
  if (focused) restoreFocus(focused, heading, viewController.signal);
}

/**
 * Call `step` in each frame until it returns true, the view is left, or RESTORE_TIMEOUT_MS have passed.
 * @param {() => boolean} step
 * @param {AbortSignal} signal
 */
function retry(step, signal) {
  const deadline = performance.now() + RESTORE_TIMEOUT_MS;
  const next = () => {
    if (!signal.aborted && !step() && performance.now() < deadline) requestAnimationFrame(next);
  };
  next();
}

/**
 * Scroll to `y` once what is above has rendered, unless the reader scrolls meanwhile.
 * @param {number} y
 * @param {AbortSignal} signal
 */
function restoreScroll(y, signal) {
  let reached = 0;
  retry(() => {
    if (scrollY < reached) return true;
    scrollTo(0, y);
    reached = scrollY;
    return reached >= y - 1;
  }, signal);
}

/**
 * Focus an element once it has rendered, unless the reader moves the focus meanwhile.
 * @param {string} selector
 * @param {Element | null} heading that has the focus now
 * @param {AbortSignal} signal
 */
function restoreFocus(selector, heading, signal) {
  retry(() => {
    if (document.activeElement !== heading && document.activeElement !== document.body) return true;
    const element = /** @type {HTMLElement | null} */ (main.querySelector(selector));
    element?.focus({ preventScroll: true });
    return element !== null;
  }, signal);
}

/** Open the bundle and show the view of the address; null, with a message shown, where it cannot be opened. */
async function start() {
  history.scrollRestoration = "manual"; // the browser would restore it before the view has rendered
  if (location.hash.length > "#/".length) replace(main, h("p", { class: "hint", role: "status" }, "Loading …"));
  try {
    const app = await openApp();
    if (!hasTrends(app.model)) document.querySelector('nav a[href="#/rising"]')?.remove();
    if (!hasMap(app.model)) document.querySelector('nav a[href="#/map"]')?.remove();
    syncFilters(app, false);
    main.before(failureNotice(app));
    addEventListener("hashchange", () => {
      app.downloadConsented = true; // the visitor acted on the page, which shows the size of the download
      navigate(app).catch(showFailure);
    });
    await new Promise((resolve) => setTimeout(resolve)); // what was loaded was read in a task of its own
    await renderView(app);
    app.engine.catalogueReady.then(loadViews).catch(() => {}); // each is tried again when it is shown
    enableOffline(app, base).catch(() => {}); // without it files are fetched again at the next visit
    return app;
  } catch (error) {
    showFailure(error);
    return null;
  }
}

/** @param {unknown} error */
function showFailure(error) {
  replace(
    main,
    h(
      "section",
      { class: "narrow", role: "alert" },
      h("h1", {}, "The page could not be opened"),
      h("p", { class: "lead" }, errorMessage(error)),
      h("p", {}, h("button", { type: "button", onclick: reloadToNewest }, "Try again")),
    ),
  );
}

// WebKit does not focus links that are clicked, so that Back could not return to them.
document.addEventListener("click", ({ target, defaultPrevented }) => {
  if (target instanceof Element && !defaultPrevented) target.closest("a")?.focus({ preventScroll: true });
});

// Fragments are routes here, so the skip link cannot use one.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

const started = start();
connectIntroduction(async (login) => {
  const app = await started;
  if (!app) return;
  app.pendingLogin = login;
  location.hash = userHref(login);
});
enableShortcuts();
