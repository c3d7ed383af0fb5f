// The service worker as the page sees it: registered, followed until everything is stored, and replaced by a newer one.

import { announce, h, replace } from "./dom.js";
import { dataUrl, MAP_FILE, TRENDS_FILE } from "./engine/model.js";

/** @import { App } from "./state.js" */

const UPDATE_TIMEOUT_MS = 30_000; // for a newer release to be stored, after which the page is reloaded all the same

/**
 * Register the service worker, and note in the footer when everything is stored on this device, and when a newer release
 * is: this page goes on with its own until it is reloaded.
 * @param {App} app
 * @param {URL} base address of data/
 */
export async function enableOffline(app, base) {
  if (!("serviceWorker" in navigator)) return;
  const { serviceWorker } = navigator;
  const isFirstVisit = !serviceWorker.controller;
  const controlled = new Promise((resolve) => serviceWorker.addEventListener("controllerchange", resolve));
  if (!isFirstVisit) controlled.then(offerReload);
  await app.engine.catalogueReady; // the page's own downloads come first
  await serviceWorker.register("service-worker.js");
  if (isFirstVisit) {
    await controlled;
    serviceWorker.addEventListener("controllerchange", offerReload, { once: true });
  }
  if (!(await app.engine.stored)) return;
  const later = ["descriptions.gz", MAP_FILE, TRENDS_FILE].filter((name) => Object.hasOwn(app.model.files, name));
  const addresses = [...later, "people.json"].map((name) => dataUrl(base, name, app.model));
  for (const address of addresses) await (await fetch(address)).body?.cancel(); // stored before it is answered
  const copies = await Promise.all(addresses.map((address) => caches.match(address)));
  if (copies.every(Boolean) && !newerIsReady)
    showStatus("This device has all of it now: the page opens without network.");
}

let newerIsReady = false;

function offerReload() {
  newerIsReady = true;
  const text = "A newer version of this page is ready.";
  showStatus(text, " ", h("button", { type: "button", class: "quiet", onclick: () => location.reload() }, "Reload"));
  announce(text);
}

/** @param {(Node | string)[]} content */
function showStatus(...content) {
  const status = document.getElementById("offline-status");
  if (status) replace(status, ...content);
}

/** Whether the host has another release than this page, and can be reached. */
export async function isReplaced() {
  try {
    const response = await fetch(new URL("index.html", document.baseURI), { cache: "no-store" });
    return (
      response.ok && !(await response.text()).includes(new URL(".", import.meta.url).pathname.split("/").at(-2) ?? "")
    );
  } catch {
    return false;
  }
}

/** Reload the page in its newest release, which the service worker stores first if it has an older one. */
export async function reloadToNewest() {
  const registration = await navigator.serviceWorker?.getRegistration().catch(() => undefined);
  await registration?.update().catch(() => {});
  const coming = registration?.installing ?? registration?.waiting;
  if (coming) {
    const settled = new Promise((resolve) =>
      coming.addEventListener("statechange", () => /activated|redundant/.test(coming.state) && resolve(coming)),
    );
    await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, UPDATE_TIMEOUT_MS))]);
  }
  location.reload();
}
