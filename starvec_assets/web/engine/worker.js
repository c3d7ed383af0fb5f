// The search worker: holds the planes, loads them from this device or the network, and searches them. engine.js is the
// page's side.

import { createKernel } from "./kernels.js";
import { openStorage } from "./plane_storage.js";
import { search, unitRows } from "./search.js";
import { TextPlane } from "./text_plane.js";
import { assert, BundleError, fetchFile, sha256 } from "./validate.js";

/** @import { DataFile } from "./model.js" */
/** @import { GetBuffer } from "./plane_storage.js" */

/**
 * @typedef {"hi" | "lo" | "text"} Plane
 * @typedef {{base: string, modelId: string, n: number, d: number, textD: number, wasm: boolean, files: Record<string, DataFile>}} OpenOptions
 * @typedef {{type: "search", id: number, query: Float32Array, k: number, bias: Float32Array | null}} SearchRequest
 * @typedef {{type: "vectors", id: number, indices: Uint32Array}} VectorsRequest
 * @typedef {{type: "textCosines", id: number, indices: Uint32Array, weights: Float32Array}} TextCosinesRequest
 */

/** Planes of a download; that of the text is loaded when it is first asked for. @type {("hi" | "lo")[]} */
const PLANES = ["hi", "lo"];
/** @type {Plane[]} */
const STORED_PLANES = [...PLANES, "text"];

/** @type {OpenOptions} */
let options;
/** @type {ReturnType<typeof prepare> | null} */
let preparing = null;
/** @type {Promise<void>} */
let opening;
let downloading = false;
const loaded = { hi: false, lo: false };
/** @type {Promise<TextPlane> | null} */
let loadingText = null;

self.onmessage = async ({ data }) => {
  try {
    if (data.type === "open") {
      options = data;
      opening = open();
      await opening;
    } else if (data.type === "download") {
      if (downloading) return; // the download in progress reports to the page already
      downloading = true;
      await download().finally(() => {
        downloading = false;
      });
    } else await respond(data);
  } catch (error) {
    // Unexpected errors are posted too: a raw message is better than a page that waits forever.
    const type = data.id === undefined ? "failed" : "error";
    post({ type, id: data.id, message: describeError(error) });
  }
};

/** Load the planes that are stored on this device, and delete those of other models. */
async function open() {
  const { storage } = await prepared();
  for (const plane of PLANES) {
    if (!storage || !(await readStoredPlane(plane, (await prepared()).kernel[plane]))) break;
    await onPlaneLoaded(plane);
  }
  post({ type: "cached", value: loaded.lo });
  if (loaded.lo) post({ type: "stored", value: true });
  // A failure is harmless: the next visit tries again.
  await storage?.prune(STORED_PLANES.map((plane) => storedName(options.modelId, plane))).catch(() => {});
}

/** The result of `prepare`; after a failure the next call tries again. */
function prepared() {
  preparing ??= prepare().catch((error) => {
    preparing = null;
    throw error;
  });
  return preparing;
}

/** Create the kernel and open the storage. */
async function prepare() {
  const base = new URL(options.base);
  const wasm = options.wasm ? await (await fetchFile(new URL("search.wasm", import.meta.url))).arrayBuffer() : null;
  return {
    ...options,
    base,
    storage: await openStorage(base),
    kernel: await createKernel(wasm, options.n, options.d),
  };
}

/** Download the planes that are not loaded, and store them. */
async function download() {
  await opening.catch(() => {}); // whatever failed there is tried again here
  const { modelId, storage, kernel } = await prepared();
  let stored = storage !== null;
  for (const plane of PLANES) {
    if (loaded[plane]) continue;
    await downloadPlane(plane, kernel[plane]);
    await onPlaneLoaded(plane);
    await storage?.write(storedName(modelId, plane), kernel[plane]).catch(() => {
      stored = false;
    });
  }
  post({ type: "stored", value: stored });
}

/** The plane of the text, from this device or the network; after a failure the next call tries again. */
function loadedText() {
  loadingText ??= loadText().catch((error) => {
    loadingText = null;
    const total = options.files["vectors.text"].bytes;
    post({ type: "progress", detail: { loaded: 0, total, plane: "text", source: "network" } });
    throw error;
  });
  return loadingText;
}

async function loadText() {
  const { modelId, n, textD, storage } = await prepared();
  const text = new TextPlane(n, textD);
  const bytes = () => text.bytes;
  if (await readStoredPlane("text", bytes)) return text;
  await downloadPlane("text", bytes);
  await storage?.write(storedName(modelId, "text"), bytes).catch(() => {}); // downloaded again at the next visit
  return text;
}

/** @param {"hi" | "lo"} plane */
async function onPlaneLoaded(plane) {
  const { kernel } = await prepared();
  if (plane === "hi") kernel.computeMultipliers();
  loaded[plane] = true;
  post({ type: "planeLoaded", plane, kernel: kernel.name, bytes: kernel.bytes });
}

/**
 * Read a plane from this device; false if it is missing or damaged.
 * @param {Plane} plane
 * @param {GetBuffer} getBuffer
 */
async function readStoredPlane(plane, getBuffer) {
  const { modelId, storage, files } = await prepared();
  const file = files[`vectors.${plane}`];
  if (!(await storage?.read(storedName(modelId, plane), getBuffer).catch(() => false))) return false;
  if (!(await isIntact(getBuffer(), file))) return false;
  post({ type: "progress", detail: { loaded: file.bytes, total: file.bytes, plane, source: "cache" } });
  return true;
}

/**
 * @param {Plane} plane
 * @param {GetBuffer} getBuffer
 */
async function downloadPlane(plane, getBuffer) {
  const { base, files } = await prepared();
  const name = `vectors.${plane}`;
  const file = files[name];
  let received = 0;
  const postProgress = () =>
    post({ type: "progress", detail: { loaded: received, total: file.bytes, plane, source: "network" } });
  const cutOff = () => `The download of ${name} was cut off after ${received} of ${file.bytes} bytes: try again.`;
  postProgress(); // the first byte may take a while
  const response = await fetchFile(new URL(`${name}?${file.sha256.slice(0, 16)}`, base), { cache: "no-store" });
  const reader = response.body?.getReader();
  for (;;) {
    const chunk = await reader?.read().catch(() => {
      throw new BundleError(cutOff());
    });
    if (!chunk || chunk.done) break;
    assert(
      received + chunk.value.length <= file.bytes,
      `${name} is longer than the ${file.bytes} bytes of this model: reload the page.`,
    );
    getBuffer().set(chunk.value, received);
    received += chunk.value.length;
    postProgress();
  }
  assert(received === file.bytes, cutOff());
  assert(await isIntact(getBuffer(), file), `${name} is not what model.json says it is (SHA-256): reload the page.`);
}

/**
 * @param {Uint8Array<ArrayBuffer>} bytes
 * @param {DataFile} file
 */
async function isIntact(bytes, file) {
  const digest = await sha256(bytes);
  return digest === null || digest === file.sha256;
}

/** @param {SearchRequest | VectorsRequest | TextCosinesRequest} request */
async function respond(request) {
  post({ type: "result", id: request.id, value: await answer(request) });
}

/** @param {SearchRequest | VectorsRequest | TextCosinesRequest} request */
async function answer(request) {
  const { kernel, n, d } = await prepared();
  if (request.type === "textCosines") {
    const text = await loadedText();
    assert(
      request.indices.every((i) => i < n),
      `A row is below ${n}.`,
    );
    return text.cosines(request.indices, request.weights);
  }
  assert(loaded.hi, "The vectors are not there yet.");
  return request.type === "search"
    ? search(kernel, n, d, request.query, request.k, request.bias, loaded.lo)
    : unitRows(kernel, n, d, request.indices, loaded.lo);
}

/**
 * Name under which a plane is stored on this device.
 * @param {string} modelId
 * @param {Plane} plane
 */
const storedName = (modelId, plane) => `${modelId}.${plane}`;

/** @param {unknown} message */
const post = (message) => self.postMessage(message);

/** @param {unknown} error */
function describeError(error) {
  if (error instanceof BundleError) return error.message;
  return `The search stopped: ${error instanceof Error ? error.message : String(error)}`;
}
