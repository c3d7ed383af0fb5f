// Opens the page without network after the first visit. A service worker belongs to one release: it stores all of its
// files in a cache of that release before it takes over, and fails as a whole where one is missing or is another's, as on
// a host that is being updated; the service worker before it then goes on. So a page never meets files of two releases.
// The planes of vectors and the index of words pass through: the engine stores them itself (engine/plane_storage.js).

/** Digest of the release's files; filled in by export/release.py, as are the lists below. */
const RELEASE = "";
/** SHA-256 of every file that each visit needs, by address. @type {Record<string, string>} */
const FILES = {};
/** The same of files that are stored once they are asked for. @type {Record<string, string>} */
const LATER_FILES = {};

const worker = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));
const scope = worker.registration.scope;
/** Beginning of the names of this page's caches; other pages may share the origin. */
const CACHES = `starvec ${new URL(scope).pathname} `;
const CACHE = CACHES + RELEASE;
/** Caches of releases before there was one for each. */
const OLD_CACHES = ["starvec shell", "starvec data"];

const { port1: toNobody, port2 } = new MessageChannel();
port2.close();

worker.addEventListener("install", (event) => event.waitUntil(install()));
worker.addEventListener("activate", (event) => event.waitUntil(activate()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const url = request.url.replace(/#.*/, "");
  if (request.method !== "GET" || !url.startsWith(scope) || request.headers.has("range")) return;
  const path = url.slice(scope.length).replace(/\?.*/, "");
  if (request.mode === "navigate" && (path === "" || path === "index.html")) event.respondWith(answer("./"));
  else {
    const address = url.slice(scope.length);
    const isStored = Object.hasOwn(FILES, address) || Object.hasOwn(LATER_FILES, address);
    if (isStored || path.startsWith("release-")) event.respondWith(answer(address));
  }
});

/** Store the whole release. Where the device has no room for it nothing is stored, and everything comes from the network. */
async function install() {
  try {
    for (const address of Object.keys(FILES)) await store(address); // one at a time is in memory, beside the page
    for (const address of Object.keys(LATER_FILES)) await keep(address);
  } catch (error) {
    await caches.delete(CACHE);
    if (!(error instanceof DOMException)) throw error;
    await deleteCaches(() => true);
  }
  await worker.skipWaiting();
}

/** Take over, and delete what is older than the release before, of which a page may still be open. */
async function activate() {
  const releases = (await caches.keys()).filter((name) => name.startsWith(CACHES)); // oldest first
  const kept = new Set([CACHE, releases.filter((name) => name !== CACHE).at(-1)]);
  await deleteCaches((name) => !kept.has(name));
  await worker.clients.claim();
}

/** Delete those of this page's caches that are chosen. @param {(name: string) => boolean} isChosen */
async function deleteCaches(isChosen) {
  const own = (await caches.keys()).filter((name) => name.startsWith(CACHES) || OLD_CACHES.includes(name));
  await Promise.all(own.filter(isChosen).map((name) => caches.delete(name)));
}

/**
 * The stored file: this release's, or, for a page that is still open, another's, which has other addresses. Without one
 * the network's, which is stored if it belongs to this release.
 * @param {string} address
 */
async function answer(address) {
  const cache = await caches.open(CACHE);
  const url = scope + (address === "./" ? "" : address);
  const copy = (await cache.match(url)) ?? (address === "./" ? undefined : await caches.match(url));
  if (copy) return copy;
  if (!Object.hasOwn(LATER_FILES, address)) return fetch(url, { cache: "no-cache" });
  const response = await fetch(url);
  if (!response.ok) return response;
  const body = await response.arrayBuffer();
  if (await isOfRelease(address, response, body)) await cache.put(url, copyOf(response, body)).catch(() => {}); // no room
  const answered = copyOf(response, body);
  free(body);
  return answered;
}

/**
 * Store a file, from another release if that has the same, or else from the network.
 * @param {string} address
 * @throws {Error} if the network has none, or one of another release
 * @throws {DOMException} if it cannot be stored
 */
async function store(address) {
  if (await keep(address)) return;
  const url = new URL(address, scope).href;
  const response = await fetch(url, { cache: "no-cache" });
  const body = await response.arrayBuffer();
  const isOwn = response.ok && (await isOfRelease(address, response, body));
  if (!isOwn) throw new Error(`${address} is not of release ${RELEASE}`);
  await (await caches.open(CACHE)).put(url, copyOf(response, body));
  free(body);
}

/**
 * Store a file that another release has, whose address says its content; whether it is stored.
 * @param {string} address
 */
async function keep(address) {
  const copy = address.startsWith("data/") && (await caches.match(new URL(address, scope)));
  if (copy) await (await caches.open(CACHE)).put(new URL(address, scope), copy);
  return Boolean(copy);
}

/**
 * A response with a body that was read: a clone would keep all of it a second time.
 * @param {Response} response
 * @param {ArrayBuffer} body
 */
const copyOf = ({ status, statusText, headers }, body) => new Response(body, { status, statusText, headers });

/**
 * Give back the memory of a buffer now, as engine/memory.js does: this worker shares it with the page.
 * @param {ArrayBuffer} buffer
 */
const free = (buffer) => toNobody.postMessage(null, [buffer]);

/**
 * Whether a response is the file that this release has at an address. A gzipped file that the host declares as encoded
 * was decoded by the browser: its hash is not the file's, and the engine checks what is in it.
 * @param {string} address
 * @param {Response} response
 * @param {ArrayBuffer} body
 */
async function isOfRelease(address, response, body) {
  if (/\.gz\?/.test(address) && response.headers.has("content-encoding")) return true;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", body));
  const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hash === (FILES[address] ?? LATER_FILES[address]);
}
