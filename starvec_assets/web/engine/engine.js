// The page's side of the search: starts the worker, forwards its progress and sends it requests.

/** @import { Model } from "./model.js" */
/** @import { SearchResult } from "./search.js" */
/** @import { TextSearchResult } from "./text_search.js" */
/** @import { Plane } from "./worker.js" */
/** @typedef {{loaded: number, total: number, plane: Plane, source: "network" | "cache"}} Progress */

/**
 * Search over the vectors of a model. Events: `progress` with detail Progress, `failed` with detail {message}; after a
 * failure `download` may be called again.
 */
export class Engine extends EventTarget {
  #worker;
  #openMessage;
  /** Whether the worker's script could not be loaded, so that it answers nothing. */
  #workerFailed = false;
  #lastId = 0;
  /**
   * Requests without an answer, by id.
   * @type {Map<number, {resolve: (value: any) => void, reject: (error: Error) => void}>}
   */
  #pending = new Map();
  /** @type {Record<"cached" | "wordsCached" | "hi" | "lo" | "stored", PromiseWithResolvers<any>>} */
  #deferreds = { cached: deferred(), wordsCached: deferred(), hi: deferred(), lo: deferred(), stored: deferred() };

  /** Kernel that runs, once the vectors are loaded. @type {"" | "wasm" | "javascript"} */
  kernel = "";
  /** Memory of the kernel in bytes. */
  bytes = 0;
  /** Whether `textCosines` needs no download any more. */
  textLoaded = false;
  /** Whether `searchText` and `placeText` need no download any more. */
  wordsLoaded = false;
  /** Progress of the int8 plane's download while it runs. @type {Progress | null} */
  progress = null;

  /**
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  constructor(base, model) {
    super();
    /** Whether the planes were stored on this device, and are loaded without network. @type {Promise<boolean>} */
    this.cached = this.#deferreds.cached.promise;
    /** Whether the index of words was stored on this device, too. @type {Promise<boolean>} */
    this.wordsCached = this.#deferreds.wordsCached.promise;
    /** Settles when the int8 plane is loaded: searches answer. @type {Promise<void>} */
    this.ready = this.#deferreds.hi.promise;
    /** Settles when the residual plane is loaded too: searches answer exactly. @type {Promise<void>} */
    this.exact = this.#deferreds.lo.promise;
    /** Whether both planes are stored on this device now; false if there is no room. @type {Promise<boolean>} */
    this.stored = this.#deferreds.stored.promise;
    const { id, n, d, textD, wasm, files } = model;
    this.#openMessage = { type: "open", base: new URL(base).href, modelId: id, n, d, textD, wasm, files };
    this.#worker = this.#startWorker();
  }

  #startWorker() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#onMessage(data);
    worker.onerror = () => {
      this.#workerFailed = true;
      this.#fail("The search could not be started: is there a network, and is this browser a recent one?");
    };
    worker.postMessage(this.#openMessage);
    return worker;
  }

  /**
   * Start the worker, which loads the vectors only if they are stored on this device.
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  static open(base, model) {
    return new Engine(base, model);
  }

  /** Download the planes that are not loaded; calls during a download have no effect. */
  download() {
    if (this.#workerFailed) this.#worker = this.#startWorker();
    this.#workerFailed = false;
    this.#worker.postMessage({ type: "download" });
  }

  /**
   * The rows with the highest cosine + bias, best first. Waits until the vectors are loaded.
   * @param {Float32Array} query [d]
   * @param {{k?: number, bias?: Float32Array | null}} [options] bias [n]: added to the cosines; -Infinity excludes rows
   * @returns {Promise<SearchResult>}
   */
  async search(query, { k = 50, bias = null } = {}) {
    await this.ready;
    return this.#request({ type: "search", query, k, bias });
  }

  /**
   * Unit rows [indices.length * d]. Waits until the vectors are loaded.
   * @param {ArrayLike<number>} indices
   * @returns {Promise<Float32Array>}
   */
  async vectors(indices) {
    await this.ready;
    return this.#request({ type: "vectors", indices: Uint32Array.from(indices) });
  }

  /**
   * Cosine of each row's text to the weighted mean of the texts of `indices`, [n]. Downloads the text's plane if it is
   * not stored on this device.
   * @param {Uint32Array} indices
   * @param {Float32Array} weights
   * @returns {Promise<Float32Array>}
   */
  async textCosines(indices, weights) {
    const cosines = await this.#request({ type: "textCosines", indices, weights });
    this.textLoaded = true;
    return cosines;
  }

  /**
   * The rows that fit a query in words best, best first. Waits until the vectors are loaded, and downloads the index of
   * words if it is not stored on this device, with `progress` events of the plane "words".
   * @param {string} query of which the first 10,000 characters count
   * @param {{k?: number, allowed?: Uint8Array | null}} [options] allowed [n]: 0 excludes a row
   * @returns {Promise<TextSearchResult>}
   */
  async searchText(query, { k = 50, allowed = null } = {}) {
    await this.ready;
    const found = await this.#request({ type: "searchText", query, k, allowed });
    this.wordsLoaded = true;
    return found;
  }

  /**
   * The place of a text among the vectors: a unit vector [d], zeros when the index has a vector for none of its words.
   * Downloads the index of words as `searchText` does.
   * @param {string} text of which the first 10,000 characters count
   * @returns {Promise<Float32Array>}
   */
  async placeText(text) {
    const place = await this.#request({ type: "placeText", text });
    this.wordsLoaded = true;
    return place;
  }

  /** Terminate the worker. */
  close() {
    this.#worker.terminate();
  }

  /** @param {Record<string, unknown>} request */
  #request(request) {
    const id = ++this.#lastId;
    this.#worker.postMessage({ ...request, id });
    return new Promise((resolve, reject) => this.#pending.set(id, { resolve, reject }));
  }

  /** @param {any} message from worker.js */
  #onMessage(message) {
    switch (message.type) {
      case "result":
        this.bytes = message.bytes;
        return this.#takePending(message.id)?.resolve(message.value);
      case "error":
        return this.#takePending(message.id)?.reject(new Error(message.message));
      case "progress": {
        const { plane, source } = /** @type {Progress} */ (message.detail);
        if (plane === "hi" && source === "network") this.progress = message.detail;
        return this.dispatchEvent(new CustomEvent("progress", { detail: message.detail }));
      }
      case "cached":
      case "wordsCached":
      case "stored":
        return this.#deferreds[/** @type {"cached" | "wordsCached" | "stored"} */ (message.type)].resolve(
          message.value,
        );
      case "planeLoaded":
        this.kernel = message.kernel;
        this.bytes = message.bytes;
        this.progress = null;
        return this.#deferreds[/** @type {"hi" | "lo"} */ (message.plane)].resolve(undefined);
      case "failed":
        return this.#fail(message.message);
    }
  }

  /** @param {number} id */
  #takePending(id) {
    const request = this.#pending.get(id);
    this.#pending.delete(id);
    return request;
  }

  /** @param {string} message */
  #fail(message) {
    this.#deferreds.cached.resolve(false);
    this.#deferreds.wordsCached.resolve(false);
    this.progress = null;
    this.dispatchEvent(new CustomEvent("failed", { detail: { message } }));
  }
}

/** Promise.withResolvers, which some supported browsers lack. @returns {PromiseWithResolvers<any>} */
function deferred() {
  /** @type {any} */
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}
