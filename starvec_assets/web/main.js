// Opens the bundle and shows the view that the address names.

import { openApp } from "./app.js";
import { h, replace, said } from "./dom.js";
import { addressed } from "./engine/model.js";
import { asLogin } from "./lookup.js";
import { decode, LinkError } from "./share.js";
import { madeView } from "./views/made.js";
import { nearView } from "./views/near.js";
import { otherView, youView } from "./views/person.js";
import { startView } from "./views/start.js";

/**
 * @typedef {import('./app.js').App} App
 * @typedef {{title: string, place: string, nodes: (Node | false | null)[]}} View  place: the link of the navigation it belongs to
 */

const LONGEST = 10_000; // characters of a fragment that are looked at
const PATIENCE = 2000; // milliseconds that a view may take to be as long as it was
const main = /** @type {HTMLElement} */ (document.getElementById("main"));
let ending = new AbortController();

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @returns {View}
 */
function view(app, signal) {
  const hash = location.hash.slice(1, LONGEST);
  const [path, query = ""] = hash.split("?", 2);
  const [, room = "", ...rest] = path.split("/");
  const argument = rest.join("/");
  if (path === "" || path === "/") return { title: "", place: "", nodes: startView(app, signal) };
  if (room === "you")
    return { title: "Profile", place: "you", nodes: youView(app, signal, asLogin(text(argument))) };
  if (room === "near") {
    const parameters = new URLSearchParams(query);
    const title = parameters.getAll("plus").join(", ").slice(0, 100) || "Repositories";
    return { title, place: "near", nodes: nearView(app, signal, parameters) };
  }
  if (room === "made") return { title: "How it was made", place: "made", nodes: madeView(app) };
  if (room === "dev") {
    const login = text(argument).toLowerCase();
    const developer = app.people.developers.find((one) => one.login.toLowerCase() === login);
    if (!developer)
      return sentence(
        "Nobody of that name",
        "No developer of that login came with this model. A login of anybody can be looked up under Profile.",
      );
    const { name, vector, stars_used: used } = developer;
    const them = other(app, { kind: "developer", login: developer.login, name, vector, used });
    return { title: name, place: "you", nodes: otherView(app, signal, them) };
  }
  if (room === "with") {
    try {
      const { vector, login } = decode(location.hash.slice("#/with/".length), app.model);
      const them = other(app, { kind: "shared", login, name: login, vector, used: 0 });
      return { title: login || "A shared profile", place: "you", nodes: otherView(app, signal, them) };
    } catch (error) {
      if (error instanceof LinkError) return sentence("This link cannot be shown", error.message);
      throw error;
    }
  }
  return sentence("There is no such view", "The address names nothing that this page has.");
}

/**
 * Somebody of whom nothing is known but where their stars point.
 * @param {App} app
 * @param {Pick<import('./profile.js').Person, "kind" | "login" | "name" | "vector" | "used">} known
 */
const other = (app, known) => ({ ...known, exact: app.engine.exact, starred: new Uint32Array(0), stars: null });

/** @param {string} title @param {string} words @returns {View} */
function sentence(title, words) {
  return {
    title,
    place: "",
    nodes: [
      h(
        "section",
        { class: "narrow" },
        h("h1", { tabindex: -1 }, title),
        h("p", { class: "lead", role: "alert" }, words),
        h("p", {}, h("a", { href: "#/" }, "To the start")),
      ),
    ],
  };
}

/** Percent-decoded where it can be. @param {string} part */
function text(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {App} app */
function show(app) {
  ending.abort();
  ending = new AbortController();
  const { title, place, nodes } = view(app, ending.signal);
  document.title = title ? `${title} · starvec` : "starvec: what your stars say about you";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.getAttribute("href") === `#/${place}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  replace(main, ...nodes);
}

/** Where entries of the history were left, by the number in their state. @type {Map<number, number>} */
const left = new Map();
let entry = numbered();

/** The number of the entry of the history that is shown. @returns {number} */
function numbered() {
  if (!history.state?.entry) history.replaceState({ ...history.state, entry: Math.random() }, "");
  return history.state.entry;
}

/** To a view that was asked for, and to where it was left if it was seen before. @param {App} app */
function turn(app) {
  left.set(entry, scrollY);
  entry = numbered();
  show(app);
  main.querySelector("h1")?.focus({ preventScroll: true });
  scrollBack(left.get(entry) ?? 0, ending.signal);
}

/** A list takes its time to be as long as it was. @param {number} y @param {AbortSignal} signal */
function scrollBack(y, signal) {
  const until = performance.now() + PATIENCE;
  let reached = 0;
  const step = () => {
    if (signal.aborted || scrollY < reached) return; // gone on, or scrolled by hand
    scrollTo(0, y);
    reached = scrollY;
    if (reached < y - 1 && performance.now() < until) requestAnimationFrame(step);
  };
  step();
}

async function start() {
  const base = new URL("data/", document.baseURI);
  history.scrollRestoration = "manual"; // the browser's comes before the views
  if (location.hash.length > "#/".length) replace(main, h("p", { class: "hint", role: "status" }, "Loading …"));
  try {
    const app = await openApp(base);
    show(app);
    addEventListener("hashchange", () => {
      app.agreed = true;
      turn(app);
    });
    keep(app, base).catch(() => {}); // what is not kept is fetched again
  } catch (error) {
    replace(
      main,
      h(
        "section",
        { class: "narrow" },
        h("h1", {}, "The page could not be opened"),
        h("p", { class: "lead", role: "alert" }, said(error)),
        h("p", {}, h("button", { type: "button", onclick: () => location.reload() }, "Try again")),
      ),
    );
  }
}

/** Lets the page open without network, and says so when all of it is on this device. @param {App} app @param {URL} base */
async function keep(app, base) {
  if (!("serviceWorker" in navigator)) return;
  await Promise.all([app.catalogue.namesReady, app.catalogue.columnsReady]);
  await navigator.serviceWorker.register("service-worker.js");
  if (!navigator.serviceWorker.controller)
    await new Promise((resolve) =>
      navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true }),
    );
  if (!(await app.engine.kept)) return;
  await app.catalogue.describe();
  await fetch(addressed(base, "descriptions.gz", app.model)); // by way of the service worker, which keeps it
  const files = ["people.json", "names.gz", "columns.gz", "descriptions.gz"];
  const copies = await Promise.all(files.map((name) => caches.match(addressed(base, name, app.model))));
  const note = document.getElementById("kept");
  if (note && copies.every(Boolean))
    note.textContent = "This device has all of it now: the page opens without network.";
}

// A fragment names a view here, so the link to the content cannot use one.
document.querySelector(".skip")?.addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

start();
