// @ts-check
/** The worker: holds the planes, fetches or reads them, and searches. Engine (engine.js) is its other side. */

import { BundleError, check, get, sha256 } from "./checks.js";
import { shelf } from "./device.js";
import { kernel } from "./kernels.js";
import { search, vectors } from "./search.js";

/**
 * @typedef {{ bytes: number, sha256: string }} DataFile
 * @typedef {{ base: string, model: string, n: number, d: number, files: Record<string, DataFile> }} Opening
 * @typedef {"hi" | "lo"} Plane
 */

/** @type {Opening} */
let opening;
/** @type {ReturnType<typeof prepare> | null} */
let prepared = null;
/** @type {Promise<void>} */
let opened;
let downloading = false;
/** @type {Record<Plane, boolean>} */
const there = { hi: false, lo: false };

self.onmessage = async ({ data }) => {
  try {
    if (data.type === "open") {
      opening = data;
      await (opened = open());
    } else if (data.type === "download") {
      if (downloading) return; // who began it is told how it ends
      downloading = true;
      await download().finally(() => (downloading = false));
    } else await answer(data);
  } catch (error) {
    // What was not foreseen is told too: a page that waits for nothing is worse than a raw message.
    post({ type: data.type === "search" || data.type === "vectors" ? "refused" : "failed", id: data.id, message: said(error) });
  }
};

async function open() {
  const { device } = await made();
  /** @type {Plane[]} */
  const planes = ["hi", "lo"];
  for (const plane of planes) {
    if (!device || !(await readKept(plane))) break;
    await arrived(plane);
  }
  post({ type: "cached", value: there.lo });
  if (there.lo) post({ type: "kept", value: true });
  // What cannot be removed today is removed at the next visit.
  await device?.prune(planes.map((plane) => keptName(opening.model, plane))).catch(() => {});
}

/** What `prepare` made; after a failure the next one who asks tries again. */
function made() {
  return (prepared ??= prepare().catch((error) => {
    prepared = null;
    throw error;
  }));
}

async function prepare() {
  const base = new URL(opening.base);
  const module = await (await get(new URL("search.wasm", import.meta.url))).arrayBuffer();
  return { ...opening, base, device: await shelf(base), core: await kernel(module, opening.n, opening.d) };
}

async function download() {
  await opened.catch(() => {}); // what failed there is tried again here
  const { model, device, core } = await made();
  let kept = device !== null;
  for (const plane of /** @type {Plane[]} */ (["hi", "lo"])) {
    if (there[plane]) continue;
    await fetchPlane(plane);
    await arrived(plane);
    await device?.write(keptName(model, plane), core[plane]).catch(() => (kept = false));
  }
  post({ type: "kept", value: kept });
}

/** @param {Plane} plane */
async function arrived(plane) {
  const { core } = await made();
  if (plane === "hi") core.index();
  there[plane] = true;
  post({ type: "arrived", plane, kernel: core.name, bytes: core.bytes });
}

/** @param {Plane} plane */
async function readKept(plane) {
  const { model, device, core, files } = await made();
  const file = files[`vectors.${plane}`];
  if (!(await device?.read(keptName(model, plane), core[plane]).catch(() => false))) return false;
  if (!(await isWhole(core[plane](), file))) return false;
  post({ type: "progress", detail: { loaded: file.bytes, total: file.bytes, plane, source: "cache" } });
  return true;
}

/** @param {Plane} plane */
async function fetchPlane(plane) {
  const { base, files, core } = await made();
  const name = `vectors.${plane}`;
  const file = files[name];
  let loaded = 0;
  const progress = () => post({ type: "progress", detail: { loaded, total: file.bytes, plane, source: "network" } });
  progress(); // a server may take its time for the first byte
  const response = await get(new URL(`${name}?${file.sha256.slice(0, 16)}`, base), { cache: "no-store" });
  const reader = response.body?.getReader();
  for (;;) {
    const part = await reader?.read().catch(() => {
      throw new BundleError(`The download of ${name} was cut off after ${loaded} of ${file.bytes} bytes: try again.`);
    });
    if (!part || part.done) break;
    check(loaded + part.value.length <= file.bytes, `${name} is longer than the ${file.bytes} bytes of this model: reload the page.`);
    core[plane]().set(part.value, loaded);
    loaded += part.value.length;
    progress();
  }
  check(loaded === file.bytes, `The download of ${name} was cut off after ${loaded} of ${file.bytes} bytes: try again.`);
  check(await isWhole(core[plane](), file), `${name} is not what model.json says it is (SHA-256): reload the page.`);
}

/** @param {Uint8Array<ArrayBuffer>} bytes @param {DataFile} file */
async function isWhole(bytes, file) {
  const digest = await sha256(bytes);
  return digest === null || digest === file.sha256;
}

/**
 * @typedef {{ type: "search", id: number, query: Float32Array, k: number, bias: Float32Array | null }} SearchRequest
 * @typedef {{ type: "vectors", id: number, indices: Uint32Array }} VectorsRequest
 */

/** @param {SearchRequest | VectorsRequest} request */
async function answer(request) {
  const { core, n, d } = await made();
  check(there.hi, "The vectors are not there yet.");
  const value =
    request.type === "search"
      ? search(core, n, d, request.query, request.k, request.bias, there.lo)
      : vectors(core, n, d, request.indices, there.lo);
  post({ type: "answer", id: request.id, value });
}

/** @param {string} model @param {Plane} plane */
const keptName = (model, plane) => `${model}.${plane}`;

/** @param {unknown} message */
const post = (message) => self.postMessage(message);

/** @param {unknown} error */
function said(error) {
  if (error instanceof BundleError) return error.message;
  return `The search stopped: ${error instanceof Error ? error.message : String(error)}`;
}
