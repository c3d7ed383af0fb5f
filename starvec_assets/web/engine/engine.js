// The page's side of the search: starts the worker, forwards its progress and sends it requests.

import { WatchedWorker } from "./watchdog.js";

/** @import { CatalogueFacts, NamedRepository, Repository } from "./catalogue.js" */
/** @import { Filter } from "./filter.js" */
/** @import { Model } from "./model.js" */
/** @import { Basket } from "./recommendation.js" */
/** @import { SearchResult } from "./search.js" */
/** @import { TextSearchResult } from "./text_search.js" */
/** @import { TopicSize } from "./topics.js" */
/** @import { Plane } from "./planes.js" */
/** @import { Answers } from "./worker.js" */
/** @typedef {{loaded: number, total: number, plane: Plane, source: "network" | "cache"}} Progress */

/**
 * Repositories of a model and search over their vectors. Events: `progress` with detail Progress; `refined` whenever
 * answers would be better than before, because more rows are here or both planes; `failed` with detail {message}, after
 * which `retry` goes on.
 */
export class Engine extends EventTarget {
  /** Null after it was lost, until something is asked of a fresh one. @type {WatchedWorker | null} */
  #worker = null;
  #openMessage;
  /** Whether the planes are to be downloaded, by a fresh worker as well. */
  #wantsPlanes = false;
  #isDownloading = false;
  #isExact = false;
  #lastId = 0;
  /**
   * Requests without an answer, by id. A fresh worker is asked them again.
   * @type {Map<number, {message: unknown, resolve: (value: any) => void, reject: (error: Error) => void}>}
   */
  #pending = new Map();
  #deferreds = {
    cached: deferred(),
    wordsCached: deferred(),
    ready: deferred(),
    exact: deferred(),
    stored: deferred(),
  };

  /** @type {Promise<CatalogueFacts> | null} */
  #catalogueReady = null;

  /** Whether names and numbers are there, so that requests for them need no download. */
  namesLoaded = false;
  descriptionsLoaded = false;
  /** How many rows are searched by now, the most starred ones. */
  rows = 0;
  /** Kernel that runs, once the vectors are loaded. @type {"" | "wasm" | "javascript"} */
  kernel = "";
  /** Memory of the kernel in bytes. */
  bytes = 0;
  /** Whether `searchBasket` with a purpose needs no download any more. */
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
    /** Settles when the first rows are searched. @type {Promise<void>} */
    this.ready = this.#deferreds.ready.promise;
    /** Settles when both planes of all rows are loaded: searches answer exactly. @type {Promise<void>} */
    this.exact = this.#deferreds.exact.promise;
    /** Whether both planes are stored on this device now; false if there is no room. @type {Promise<boolean>} */
    this.stored = this.#deferreds.stored.promise;
    const { id, n, placed, d, textD, firstRows, textWeights, userRule, languages, superseded, wasm, files } = model;
    this.#openMessage = {
      type: "open",
      base: new URL(base).href,
      ...{ id, n, placed, d, textD, firstRows, textWeights, userRule, languages, superseded, wasm, files },
    };
    this.#startWorker();
    this.catalogueReady.catch(() => {}); // the views that need it show the failure
  }

  #startWorker() {
    this.#worker = new WatchedWorker(new URL("worker.js", import.meta.url), {
      onMessage: (message) => this.#onMessage(message),
      onLost: (message) => {
        this.#worker = null;
        this.#fail(message);
      },
      isBusy: () => this.#isDownloading || this.#pending.size > 0,
    });
    [this.rows, this.#isExact] = [0, false];
    this.#worker.post(this.#openMessage);
    for (const { message } of this.#pending.values()) this.#worker.post(message);
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
    if (!this.#worker) this.#startWorker();
    this.#wantsPlanes = true;
    if (this.#isDownloading || this.#isExact) return;
    this.#isDownloading = true;
    this.#worker?.post({ type: "download" });
  }

  /** Go on after a failure: with a fresh worker if the other one was lost, and with the download if one was asked for. */
  retry() {
    if (!this.#worker) this.#startWorker();
    if (this.#wantsPlanes) this.download();
  }

  /** Settles when names and numbers are there; after a failure the next access tries again. */
  get catalogueReady() {
    this.#catalogueReady ??= this.#request("catalogue", undefined).then(
      (facts) => {
        this.namesLoaded = true;
        return facts;
      },
      (error) => {
        this.#catalogueReady = null;
        throw error;
      },
    );
    return this.#catalogueReady;
  }

  /** Load the descriptions, most of the catalogue's bytes, at the first call; after a failure the next call tries again. */
  async loadDescriptions() {
    await this.#request("loadDescriptions", undefined);
    this.descriptionsLoaded = true;
  }

  /**
   * What is to be shown of some rows.
   * @param {ArrayLike<number>} rows
   * @returns {Promise<Repository[]>}
   */
  repositories(rows) {
    return this.#request("repositories", { rows: Uint32Array.from(rows) });
  }

  /**
   * The repositories of names in any letter case, or of addresses at GitHub; null for one that is not known.
   * @param {string[]} names
   * @returns {Promise<(Repository | null)[]>}
   */
  repositoriesNamed(names) {
    return this.#request("repositoriesNamed", { names });
  }

  /**
   * The repository that is called `name`, with or without its owner and with any separators.
   * @param {string} name
   * @returns {Promise<Repository | null>}
   */
  repositoryCalled(name) {
    return this.#request("repositoryCalled", { name });
  }

  /**
   * The best repositories for what was typed so far of a name, best first.
   * @param {string} typed
   * @param {number} k at most so many
   * @returns {Promise<NamedRepository[]>}
   */
  suggest(typed, k) {
    return this.#request("suggest", { typed, k });
  }

  /**
   * The repositories whose names are most similar to a whole name that is not known, most similar first.
   * @param {string} name
   * @param {number} [k] at most so many
   * @returns {Promise<NamedRepository[]>}
   */
  nearestNames(name, k = 5) {
    return this.#request("nearestNames", { name, k });
  }

  /**
   * Distinct rows of those repositories that were starred and are known, in the order of `stars`.
   * @param {{id: number, name: string}[]} stars
   * @returns {Promise<Uint32Array>}
   */
  rowsOfStars(stars) {
    return this.#request("rowsOfStars", { stars });
  }

  /**
   * Positions in the model's languages of the languages of some rows, or of all.
   * @param {ArrayLike<number>} [rows]
   * @returns {Promise<Uint16Array>}
   */
  languageCodes(rows) {
    return this.#request("languageCodes", { rows: rows ? Uint32Array.from(rows) : null });
  }

  /**
   * The rows that pass a filter, [n] of 0 and 1; null where all do.
   * @param {Filter} filter
   * @returns {Promise<Uint8Array | null>}
   */
  allowedRows(filter) {
    return this.#request("allowedRows", { filter });
  }

  /**
   * The most common topics for what was typed of one; the first call loads them.
   * @param {string} typed as a topic is written, "" for any
   * @param {number} k at most so many
   * @returns {Promise<TopicSize[]>}
   */
  suggestTopics(typed, k) {
    return this.#request("suggestTopics", { typed, k });
  }

  /**
   * How many repositories have a topic, 0 for one that is not known.
   * @param {string} topic
   * @returns {Promise<number>}
   */
  countTopic(topic) {
    return this.#request("countTopic", { topic });
  }

  /**
   * The rows that pass the filter with the highest cosine, best first. Waits until there are vectors.
   * @param {Float32Array} query [d]
   * @param {{k?: number, filter?: Filter | null}} [options]
   * @returns {Promise<SearchResult>}
   */
  async search(query, { k = 50, filter = null } = {}) {
    return this.#request("search", { query, k, filter });
  }

  /**
   * Repositories like those of a basket. Waits until the vectors are loaded; with a purpose it downloads the text's plane
   * if it is not stored on this device.
   * @param {Basket} basket
   * @param {{k?: number, filter?: Filter | null}} [options]
   * @returns {Promise<SearchResult>}
   */
  async searchBasket(basket, { k = 50, filter = null } = {}) {
    const found = await this.#request("searchBasket", { basket, k, filter });
    if (basket.purpose) this.textLoaded = true;
    return found;
  }

  /**
   * Unit rows [rows.length * d]. Waits until all of them have arrived.
   * @param {ArrayLike<number>} rows
   * @returns {Promise<Float32Array>}
   */
  async vectors(rows) {
    return this.#request("vectors", { rows: Uint32Array.from(rows) });
  }

  /**
   * Prototypes of a person who starred `rows` of the vocabulary. Waits until all of them have arrived.
   * @param {Uint32Array} rows
   */
  async prototypes(rows) {
    return this.#request("prototypes", { rows });
  }

  /**
   * Vector [d] of a person who starred `rows` of the vocabulary, by the model's rule, from those of them that have
   * arrived. Waits until there is one.
   * @param {Uint32Array} rows
   * @returns {Promise<{vector: Float32Array, arrived: number}>} `arrived`: how many of `rows` it is made of
   */
  async userVector(rows) {
    return this.#request("userVector", { rows });
  }

  /**
   * Standard error of the cosine of a person who starred `rows` of the vocabulary to each of `directions`. Null for a
   * single star.
   * @param {Uint32Array} rows
   * @param {Float32Array[]} directions unit vectors
   * @returns {Promise<number[] | null>}
   */
  async cosineErrors(rows, directions) {
    return this.#request("cosineErrors", { rows, directions });
  }

  /**
   * For each recommended row, the starred rows of the vocabulary that contribute most to its cosine, largest contribution
   * first. Waits until there are vectors.
   * @param {Uint32Array} starred
   * @param {Uint32Array} recommended
   * @param {number} [k] at most so many contributors each
   * @returns {Promise<number[][]>}
   */
  async contributors(starred, recommended, k = 3) {
    return this.#request("contributors", { starred, recommended, k });
  }

  /**
   * The rows that fit a query in words best, best first. Waits until the vectors are loaded, and downloads the index of
   * words if it is not stored on this device, with `progress` events of the plane "words". Fame has no effect.
   * @param {string} query of which the first 10,000 characters count
   * @param {{k?: number, filter?: Filter | null}} [options]
   * @returns {Promise<TextSearchResult>}
   */
  async searchText(query, { k = 50, filter = null } = {}) {
    const found = await this.#request("searchText", { query, k, filter });
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
    const place = await this.#request("placeText", { text });
    this.wordsLoaded = true;
    return place;
  }

  /** Terminate the worker. */
  close() {
    this.#worker?.close();
  }

  /**
   * @template {keyof Answers} Type
   * @param {Type} type
   * @param {Parameters<Answers[Type]>[0]} request
   * @returns {Promise<Awaited<ReturnType<Answers[Type]>>>}
   */
  #request(type, request) {
    const id = ++this.#lastId;
    const message = { ...request, type, id };
    return new Promise((resolve, reject) => {
      this.#worker?.post(message);
      this.#pending.set(id, { message, resolve, reject });
      if (!this.#worker) this.retry();
    });
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
      case "refined":
        return this.#onRefined(message);
      case "failed":
        return this.#fail(message.message);
    }
  }

  /** @param {{rows: number, exact: boolean, kernel: "wasm" | "javascript", bytes: number}} message */
  #onRefined({ rows, exact, kernel, bytes }) {
    [this.rows, this.kernel, this.bytes] = [rows, kernel, bytes];
    if (rows) this.#deferreds.ready.resolve(undefined);
    if (rows === this.#openMessage.n) this.progress = null;
    if (exact) {
      [this.#isExact, this.#isDownloading] = [true, false];
      this.#deferreds.exact.resolve(undefined);
    }
    this.dispatchEvent(new CustomEvent("refined"));
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
    this.#isDownloading = false;
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
