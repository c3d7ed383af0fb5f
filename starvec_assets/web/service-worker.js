// Opens the page without network after the first visit. Files of the shell come from the network first, so that a new
// version shows at once. Files of data/ carry their hash in the address and never change, so they come from the cache.
// The planes of vectors and the index of words pass through: the engine stores them itself (engine/plane_storage.js).

const SHELL_CACHE = "starvec shell";
const DATA_CACHE = "starvec data";
const NETWORK_TIMEOUT_MS = 4000; // after which the cached copy is shown
const STARTUP_DATA = ["people.json", "names.gz", "columns.gz"]; // fetched by every visit
/** Every file of the page but data/. @type {string[]} */
const SHELL_FILES = []; // filled in by export/bundle.py, so a new or renamed file also makes a new service worker

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const scope = new URL(worker.registration.scope);

worker.addEventListener("install", (event) => event.waitUntil(precache().then(() => worker.skipWaiting())));

worker.addEventListener("activate", (event) => event.waitUntil(worker.clients.claim()));

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = new URL(request.url);
  if (request.method !== "GET" || url.origin !== scope.origin || !url.pathname.startsWith(scope.pathname)) return;
  const path = url.pathname.slice(scope.pathname.length);
  if (path.startsWith("data/vectors.") || path.startsWith("data/words.")) return;
  if (path.startsWith("data/") && url.search) event.respondWith(cacheFirst(request));
  else event.respondWith(networkFirst(request, path === "data/model.json" ? DATA_CACHE : SHELL_CACHE));
});

/** Cache what the first visit fetched before there was a service worker. */
async function precache() {
  const [shell, data] = await Promise.all([caches.open(SHELL_CACHE), caches.open(DATA_CACHE)]);
  await shell.addAll(SHELL_FILES.map((file) => new Request(file, { cache: "no-cache" })));
  await data.add(new Request("data/model.json", { cache: "no-cache" }));
  const model = await (await data.match("data/model.json"))?.json();
  const addresses = STARTUP_DATA.map((name) => `data/${name}?${model.files[name].sha256.slice(0, 16)}`);
  await Promise.all(addresses.map((address) => cacheFirst(new Request(address))));
}

/**
 * The cached copy; without one the response of the network, which is cached if its hash is the one in the address.
 * @param {Request} request
 */
async function cacheFirst(request) {
  const cache = await caches.open(DATA_CACHE);
  const copy = await cache.match(request);
  if (copy) return copy;
  const response = await fetch(request);
  if (!response.ok || !(await matchesAddress(request.url, response))) return response;
  await deleteOtherVersions(cache, request.url);
  return store(cache, request.url, response);
}

/**
 * Whether the response's SHA-256 begins with the hash in its address. A host that is being updated may answer with the
 * file of another model, which would stay in the cache for good. A response with a content encoding is not checked: its
 * bytes were decoded already. (The ES module with the page's sha256 cannot be imported by a classic worker, and module
 * service workers are missing in some browsers.)
 * @param {string} address
 * @param {Response} response
 */
async function matchesAddress(address, response) {
  if (response.headers.has("content-encoding")) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return new URL(address).search === `?${hash.slice(0, 16)}`;
}

/**
 * The response of the network, which is cached; the cached copy if the network fails or takes NETWORK_TIMEOUT_MS.
 * @param {Request} request
 * @param {string} cacheName
 */
async function networkFirst(request, cacheName) {
  const cache = await caches.open(cacheName);
  const address = request.mode === "navigate" ? request.url.replace(/[?#].*/, "") : request.url;
  const copy = await cache.match(address);
  // The browser's HTTP cache may hold files of several versions, so it has to revalidate them.
  const fresh = fetch(request, { cache: "no-cache" }).then((response) => store(cache, address, response));
  if (!copy) return fresh;
  const timeout = new Promise((resolve) => setTimeout(resolve, NETWORK_TIMEOUT_MS, copy));
  return Promise.race([fresh.catch(() => copy), timeout]).then((response) => (response.ok ? response : copy));
}

/**
 * Cache a successful response and return it; a full device is ignored.
 * @param {Cache} cache
 * @param {string} address
 * @param {Response} response
 */
async function store(cache, address, response) {
  if (response.ok) await cache.put(address, response.clone()).catch(() => {});
  return response;
}

/**
 * Delete copies of the same file under other hashes, which belong to earlier models.
 * @param {Cache} cache
 * @param {string} address
 */
async function deleteOtherVersions(cache, address) {
  const path = new URL(address).pathname;
  for (const request of await cache.keys())
    if (request.url !== address && new URL(request.url).pathname === path) await cache.delete(request);
}
