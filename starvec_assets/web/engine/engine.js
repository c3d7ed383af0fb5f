// @ts-check
/** The page's side of the search: starts the worker, passes on what it says, asks it questions. */

/**
 * @typedef {import("./model.js").Model} Model
 * @typedef {import("./search.js").Found} Found
 * @typedef {{ loaded: number, total: number, plane: "hi" | "lo", source: "network" | "cache" }} Progress
 */

/**
 * Search over the vectors of a model. Events: `progress` with detail Progress, `failed` with detail {message}; after a
 * failure `download` may be called again.
 */
export class Engine extends EventTarget {
  #worker;
  #opening;
  /** Whether the worker's script could not be loaded: it hears nothing. */
  #deaf = false;
  #last = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #asked = new Map();
  /** @type {Record<"cached" | "hi" | "lo" | "kept", PromiseWithResolvers<any>>} */
  #awaited = { cached: deferred(), hi: deferred(), lo: deferred(), kept: deferred() };

  /** Which kernel runs, once the vectors are there. @type {"" | "wasm" | "javascript"} */
  kernel = "";
  /** Memory of the kernel in bytes. */
  bytes = 0;
  /** How far the download of the int8 plane is, while it is under way. @type {Progress | null} */
  progress = null;

  /**
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  constructor(base, model) {
    super();
    /** Whether the planes are on this device already; they are read then, without a network. @type {Promise<boolean>} */
    this.cached = this.#awaited.cached.promise;
    /** The int8 plane is there: searches answer. @type {Promise<void>} */
    this.ready = this.#awaited.hi.promise;
    /** The residual plane is there too: they answer exactly. @type {Promise<void>} */
    this.exact = this.#awaited.lo.promise;
    /** Both planes are kept on this device; false where there is no room for them. @type {Promise<boolean>} */
    this.kept = this.#awaited.kept.promise;
    const { n, d, files } = model;
    this.#opening = { type: "open", base: new URL(base).href, model: model.model, n, d, files };
    this.#worker = this.#start();
  }

  #start() {
    const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }) => this.#hear(data);
    worker.onerror = () => {
      this.#deaf = true;
      this.#fail("The search could not be started: is there a network, and is this browser a recent one?");
    };
    worker.postMessage(this.#opening);
    return worker;
  }

  /**
   * Starts the worker; loads vectors only if they are on this device.
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  static open(base, model) {
    return new Engine(base, model);
  }

  /** Fetch what is missing of the vectors; once begun, a second call changes nothing. */
  download() {
    if (this.#deaf) this.#worker = this.#start();
    this.#deaf = false;
    this.#worker.postMessage({ type: "download" });
  }

  /**
   * The rows with the greatest cosine + bias, best first; waits until the vectors are there.
   * @param {Float32Array} query [d]
   * @param {{ k?: number, bias?: Float32Array | null }} [options] bias [n]: added to the cosines; -Infinity leaves out
   * @returns {Promise<Found>}
   */
  async search(query, { k = 50, bias = null } = {}) {
    await this.ready;
    return this.#ask({ type: "search", query, k, bias });
  }

  /**
   * Unit rows [indices.length * d]; waits until the vectors are there.
   * @param {ArrayLike<number>} indices
   * @returns {Promise<Float32Array>}
   */
  async vectors(indices) {
    await this.ready;
    return this.#ask({ type: "vectors", indices: Uint32Array.from(indices) });
  }

  /** Ends the worker. */
  close() {
    this.#worker.terminate();
  }

  /** @param {Record<string, unknown>} question */
  #ask(question) {
    const id = ++this.#last;
    this.#worker.postMessage({ ...question, id });
    return new Promise((resolve, reject) => this.#asked.set(id, { resolve, reject }));
  }

  /** @param {any} said by our own worker */
  #hear(said) {
    if (said.type === "answer") this.#settle(said.id)?.resolve(said.value);
    else if (said.type === "refused") this.#settle(said.id)?.reject(new Error(said.message));
    else if (said.type === "progress") {
      const { plane, source } = /** @type {Progress} */ (said.detail);
      if (plane === "hi" && source === "network") this.progress = said.detail;
      this.dispatchEvent(new CustomEvent("progress", { detail: said.detail }));
    } else if (said.type === "cached") this.#awaited.cached.resolve(said.value);
    else if (said.type === "kept") this.#awaited.kept.resolve(said.value);
    else if (said.type === "arrived") {
      this.kernel = said.kernel;
      this.bytes = said.bytes;
      this.progress = null;
      this.#awaited[/** @type {"hi" | "lo"} */ (said.plane)].resolve(undefined);
    } else if (said.type === "failed") this.#fail(said.message);
  }

  /** @param {number} id */
  #settle(id) {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    return asked;
  }

  /** @param {string} message */
  #fail(message) {
    this.#awaited.cached.resolve(false);
    this.progress = null;
    this.dispatchEvent(new CustomEvent("failed", { detail: { message } }));
  }
}

/** @returns {PromiseWithResolvers<any>} */
function deferred() {
  /** @type {any} */
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}
