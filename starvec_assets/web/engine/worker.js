// The search worker: holds the planes and the index of words, loads them from this device or the network, and searches
// them. engine.js is the page's side.

import { inflate } from "./catalogue.js";
import { createKernel } from "./kernels.js";
import { openStorage } from "./plane_storage.js";
import { search, unitRows } from "./search.js";
import { parseTextWords, TextIndex } from "./text_index.js";
import { TextPlane } from "./text_plane.js";
import { searchText } from "./text_search.js";
import { tokenize } from "./tokenizer.js";
import { assert, BundleError, fetchFile, sha256 } from "./validate.js";
import { unitVector } from "./vectors.js";

/** @import { DataFile } from "./model.js" */
/** @import { GetBuffer } from "./plane_storage.js" */

/**
 * @typedef {"hi" | "lo" | "text" | "words" | "textWords"} Plane what is stored by itself on this device
 * @typedef {{base: string, modelId: string, n: number, d: number, textD: number, wasm: boolean, files: Record<string, DataFile>}} OpenOptions
 * @typedef {{type: "search", id: number, query: Float32Array, k: number, bias: Float32Array | null}} SearchRequest
 * @typedef {{type: "vectors", id: number, indices: Uint32Array}} VectorsRequest
 * @typedef {{type: "textCosines", id: number, indices: Uint32Array, weights: Float32Array}} TextCosinesRequest
 * @typedef {{type: "searchText", id: number, query: string, k: number, allowed: Uint8Array | null}} SearchTextRequest
 * @typedef {{type: "placeText", id: number, text: string}} PlaceTextRequest
 * @typedef {SearchRequest | VectorsRequest | TextCosinesRequest | SearchTextRequest | PlaceTextRequest} Request
 */

/** Planes of a download; the others are loaded when they are first asked for. @type {("hi" | "lo")[]} */
const PLANES = ["hi", "lo"];
/** @type {Record<Plane, string>} */
const FILES = {
  hi: "vectors.hi",
  lo: "vectors.lo",
  text: "vectors.text",
  words: "words.index",
  textWords: "words.text",
};
const STORED_PLANES = /** @type {Plane[]} */ (Object.keys(FILES));

/** @type {OpenOptions} */
let options;
/** @type {ReturnType<typeof prepare> | null} */
let preparing = null;
/** @type {Promise<void>} */
let opening;
let downloading = false;
const loaded = { hi: false, lo: false };
/** @type {TextPlane | null} */
let allocatedText = null;
/** `allocatedText`, once it is filled. @type {TextPlane | null} */
let textPlane = null;
const loadedText = once("text", loadText);
const loadedWords = once("words", async () => {
  const { n, d } = await prepared();
  return new TextIndex(await loadInflated("words"), n, d);
});
const loadedTextWords = once("textWords", async () => parseTextWords(await loadInflated("textWords"), options.textD));

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
  post({ type: "wordsCached", value: (await storage?.has(storedName("words")).catch(() => false)) ?? false });
  post({ type: "cached", value: loaded.lo });
  if (loaded.lo) post({ type: "stored", value: true });
  // A failure is harmless: the next visit tries again.
  await storage?.prune(STORED_PLANES.map(storedName)).catch(() => {});
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
  const { storage, kernel } = await prepared();
  let stored = storage !== null;
  for (const plane of PLANES) {
    if (loaded[plane]) continue;
    await downloadPlane(plane, kernel[plane]);
    await onPlaneLoaded(plane);
    await storage?.write(storedName(plane), kernel[plane]).catch(() => {
      stored = false;
    });
  }
  post({ type: "stored", value: stored });
}

/**
 * A function that loads a plane at its first call; after a failure the next call tries again.
 * @template T
 * @param {Plane} plane
 * @param {() => Promise<T>} load
 */
function once(plane, load) {
  /** @type {Promise<T> | null} */
  let loading = null;
  return () => {
    loading ??= load().catch((error) => {
      loading = null;
      const total = options.files[FILES[plane]].bytes;
      post({ type: "progress", detail: { loaded: 0, total, plane, source: "network" } });
      throw error;
    });
    return loading;
  };
}

/** The vectors of the texts. A second try fills the memory of the first, which cannot be freed. */
async function loadText() {
  const { kernel, textD } = await prepared();
  allocatedText ??= new TextPlane(kernel, textD);
  await readOrDownload("text", allocatedText.bytes);
  allocatedText.computeMultipliers();
  textPlane = allocatedText;
  return textPlane;
}

/** Content of a gzipped file. @param {Plane} plane */
async function loadInflated(plane) {
  const bytes = new Uint8Array(options.files[FILES[plane]].bytes);
  await readOrDownload(plane, () => bytes);
  return inflate(new Blob([bytes]), FILES[plane]);
}

/**
 * Fill a plane from this device or, if it is not there, from the network, and store it.
 * @param {Plane} plane
 * @param {GetBuffer} getBuffer
 */
async function readOrDownload(plane, getBuffer) {
  const { storage } = await prepared();
  if (await readStoredPlane(plane, getBuffer)) return;
  await downloadPlane(plane, getBuffer);
  await storage?.write(storedName(plane), getBuffer).catch(() => {}); // downloaded again at the next visit
}

/**
 * The vectors of the texts and of their words, null where the former are not loaded. Without network the latter may be
 * missing: the search goes on without both, and says so.
 */
async function textOfSearch() {
  if (!textPlane) return null;
  const words = await loadedTextWords().catch(() => null);
  return words && { plane: textPlane, words };
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
  const { storage, files } = await prepared();
  const file = files[FILES[plane]];
  if (!(await storage?.read(storedName(plane), getBuffer).catch(() => false))) return false;
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
  const name = FILES[plane];
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

/** @param {Request} request */
async function respond(request) {
  const value = await answer(request);
  post({ type: "result", id: request.id, value, bytes: (await prepared()).kernel.bytes });
}

/** @param {Request} request */
async function answer(request) {
  const { kernel, n, d } = await prepared();
  switch (request.type) {
    case "textCosines": {
      const text = await loadedText();
      assert(
        request.indices.every((i) => i < n),
        `A row is below ${n}.`,
      );
      return text.cosines(text.mean(request.indices, request.weights));
    }
    case "placeText": {
      const index = await loadedWords();
      return unitVector(index.vectors.sum(index.numbers(tokenize(request.text))));
    }
  }
  assert(loaded.hi, "The vectors are not there yet.");
  switch (request.type) {
    case "search":
      return search(kernel, n, d, request.query, request.k, request.bias, loaded.lo);
    case "vectors":
      return unitRows(kernel, n, d, request.indices, loaded.lo);
    case "searchText": {
      const { query, k, allowed } = request;
      assert(allowed === null || allowed.length === n, `A filter is ${n} numbers.`);
      const index = await loadedWords();
      return searchText(kernel, index, await textOfSearch(), query, k, allowed, loaded.lo);
    }
  }
}

/**
 * Name under which a plane is stored on this device. The index of words may change while the vectors stay.
 * @param {Plane} plane
 */
function storedName(plane) {
  const { modelId, files } = options;
  const isOfWords = plane === "words" || plane === "textWords";
  return `${isOfWords ? files[FILES[plane]].sha256.slice(0, 16) : modelId}.${plane}`;
}

/** @param {unknown} message */
const post = (message) => self.postMessage(message);

/** @param {unknown} error */
function describeError(error) {
  if (error instanceof BundleError) return error.message;
  return `The search stopped: ${error instanceof Error ? error.message : String(error)}`;
}
