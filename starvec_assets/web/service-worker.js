// Lets the page open without network after the first visit. The shell is asked of the network first, so that a new
// version shows at once; files of data/ carry their hash in the address and never change. The planes are kept by the
// engine itself (device.js) and pass by here.

const SHELL = "starvec shell";
const DATA = "starvec data";
const PATIENCE = 4000; // milliseconds until a kept copy is shown instead
const COLUMNS = ["people.json", "names.gz", "columns.gz"];
const FILES = [
  "./",
  "app.js",
  "combobox.js",
  "dom.js",
  "download.js",
  "engine/catalogue.js",
  "engine/checks.js",
  "engine/device.js",
  "engine/engine.js",
  "engine/kernels.js",
  "engine/model.js",
  "engine/search.js",
  "engine/search.wasm",
  "engine/vectors.js",
  "engine/worker.js",
  "github.js",
  "icon.svg",
  "lookup.js",
  "main.js",
  "manifest.webmanifest",
  "names.js",
  "profile.js",
  "radar.js",
  "results.js",
  "share.js",
  "style.css",
  "views/made.js",
  "views/near.js",
  "views/person.js",
  "views/start.js",
];

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const scope = new URL(worker.registration.scope);

worker.addEventListener("install", (event) => event.waitUntil(keep().then(() => worker.skipWaiting())));

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path.startsWith("data/vectors.")) return;
  if (path.startsWith("data/") && url.search) event.respondWith(fromCacheFirst(request));
  else event.respondWith(fromNetworkFirst(request, path === "data/model.json" ? DATA : SHELL));
});

/** What the first visit has fetched already, before there was anybody to keep it. */
async function keep() {
  const [shell, data] = await Promise.all([caches.open(SHELL), caches.open(DATA)]);
  await shell.addAll(FILES.map((file) => new Request(file, { cache: "no-cache" })));
  await data.add(new Request("data/model.json", { cache: "no-cache" }));
  const model = await (await data.match("data/model.json"))?.json();
  const addresses = COLUMNS.map((name) => `data/${name}?${model.files[name].sha256.slice(0, 16)}`);
  await Promise.all(addresses.map((address) => fromCacheFirst(new Request(address))));
}

/** @param {Request} request */
async function fromCacheFirst(request) {
  const cache = await caches.open(DATA);
  const copy = await cache.match(request);
  if (copy) return copy;
  const response = await fetch(request);
  if (!response.ok || !(await isNamed(request.url, response))) return response;
  await forget(cache, request.url);
  return kept(cache, request.url, response);
}

/**
 * Whether it is the file whose hash is in its address: while a host goes over to another model it may give out the
 * other one's, which would be kept for good. Where the host calls the file's format an encoding its bytes are not seen.
 * @param {string} address
 * @param {Response} response
 */
async function isNamed(address, response) {
  if (response.headers.has("content-encoding")) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new URL(address).search === `?${hash.slice(0, 16)}`;
}

/**
 * @param {Request} request
 * @param {string} name of the cache
 */
async function fromNetworkFirst(request, name) {
  const cache = await caches.open(name);
  const address = request.mode === "navigate" ? request.url.replace(/[?#].*/, "") : request.url;
  const copy = await cache.match(address);
  // What the browser keeps by itself may be of several versions.
  const asked = fetch(request, { cache: "no-cache" }).then((response) => kept(cache, address, response));
  if (!copy) return asked;
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE, copy));
  return Promise.race([asked.catch(() => copy), late]).then((response) => (response.ok ? response : copy));
}

/** `response`, kept under `address`; a full device is no reason to show nothing. @param {Cache} cache @param {string} address @param {Response} response */
async function kept(cache, address, response) {
  if (response.ok) await cache.put(address, response.clone()).catch(() => {});
  return response;
}

/** Copies of the same file under other hashes belong to models that are gone. @param {Cache} cache @param {string} fresh */
async function forget(cache, fresh) {
  const path = new URL(fresh).pathname;
  for (const request of await cache.keys())
    if (request.url !== fresh && new URL(request.url).pathname === path) await cache.delete(request);
}
