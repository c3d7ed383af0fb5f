// Names, stars, languages and descriptions of the repositories, each column loaded separately.

import { dataUrl } from "./model.js";
import { assert, BundleError, fetchFile } from "./validate.js";

/** @import { Model } from "./model.js" */

const MAX_INFLATED_BYTES = 2 ** 29;

/** Columns in vocabulary order, most starred first; a column that is not loaded yet is empty. */
export class Catalogue {
  /** @type {string[]} */
  names = [];
  /**
   * `names`, "" for a repository whose name has gone to another one: only the other one is found by it.
   * @type {string[]}
   */
  ownNames = [];
  stars = new Uint32Array(0);
  /** GitHub's ids of the repositories. */
  ids = new Float64Array(0);
  #languages = new Uint16Array(0);
  /** Month in which each repository was last seen, counted from January of the year 0; 0 where it is unknown. */
  lastSeen = new Uint16Array(0);
  /** @type {string[]} */
  #descriptions = [];
  descriptionsLoaded = false;
  /** @type {Promise<void> | null} */
  #loadingDescriptions = null;
  #base;
  /** @type {Map<string, number>} */
  #byName = new Map();
  /** @type {Map<number, number>} */
  #byId = new Map();

  /**
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  constructor(base, model) {
    this.model = model;
    this.#base = base;
    /** Settles when `names` is loaded. */
    this.namesReady = fetchLines(base, "names.gz", model).then((names) => {
      this.names = names;
      this.ownNames = [...names];
      for (const row of model.superseded) this.ownNames[row] = "";
      this.#byName = new Map(this.ownNames.map((name, row) => [name.toLowerCase(), row]));
      this.#byName.delete("");
    });
    /** Settles when stars, languages and ids are loaded. */
    this.columnsReady = fetchInflated(base, "columns.gz", model).then((bytes) => this.#setColumns(bytes));
    // Avoid unhandled rejections; callers that await a column still see the error.
    for (const promise of [this.namesReady, this.columnsReady]) promise.catch(() => {});
  }

  /**
   * Start loading names and columns, and return at once.
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  static open(base, model) {
    return new Catalogue(base, model);
  }

  /** Language of a row, "" for none. @param {number} i */
  language(i) {
    return this.model.languages[this.#languages[i] ?? 0];
  }

  /** Description of a row, "" for none or before they are loaded. @param {number} i */
  description(i) {
    return this.#descriptions[i] ?? "";
  }

  /**
   * Load the descriptions, most of the catalogue's bytes, at the first call; after a failure the next call tries again.
   * @returns {Promise<void>}
   */
  loadDescriptions() {
    this.#loadingDescriptions ??= fetchLines(this.#base, "descriptions.gz", this.model).then(
      (descriptions) => {
        this.#descriptions = descriptions;
        this.descriptionsLoaded = true;
      },
      (error) => {
        this.#loadingDescriptions = null;
        throw error;
      },
    );
    return this.#loadingDescriptions;
  }

  /** Row of a name in any letter case, -1 if it is unknown. @param {string} name */
  indexOfName(name) {
    return this.#byName.get(name.toLowerCase()) ?? -1;
  }

  /** Row of a GitHub id, -1 if it is unknown. @param {number} id */
  indexOfId(id) {
    return this.#byId.get(id) ?? -1;
  }

  /**
   * Split columns.gz: ids as uint64, stars as uint32, languages and months last seen as uint16.
   * @param {ArrayBuffer} bytes
   */
  #setColumns(bytes) {
    const { n, languages } = this.model;
    assert(bytes.byteLength === 16 * n, `columns.gz holds ${bytes.byteLength} bytes, not ${16 * n}: reload the page.`);
    const ids = Float64Array.from(new BigUint64Array(bytes, 0, n), Number);
    const [stars, languageCodes] = [new Uint32Array(bytes, 8 * n, n), new Uint16Array(bytes, 12 * n, n)];
    assert(
      languageCodes.every((code) => code < languages.length),
      "columns.gz names a language that is not listed.",
    );
    this.#byId = new Map(Array.from(ids, (/** @type {number} */ id, /** @type {number} */ i) => [id, i]));
    [this.stars, this.ids, this.#languages] = [stars, ids, languageCodes];
    this.lastSeen = new Uint16Array(bytes, 14 * n, n);
  }
}

/**
 * @param {URL | string} base
 * @param {string} name
 * @param {Model} model
 */
async function fetchLines(base, name, model) {
  const lines = new TextDecoder().decode(await fetchInflated(base, name, model)).split("\n");
  assert(lines.length === model.n, `${name} holds ${lines.length} lines, not ${model.n}: reload the page.`);
  return lines;
}

/**
 * A function that loads a gzipped file at its first call for a model; after a failure the next call tries again.
 * @template T
 * @param {string} name of the file, which the model must list
 * @param {(bytes: ArrayBuffer, model: Model) => T} parse
 * @returns {(model: Model, base?: URL | string) => Promise<T>} `base`: address of data/
 */
export function lazyFile(name, parse) {
  /** @type {WeakMap<Model, Promise<T>>} */
  const loading = new WeakMap();
  return (model, base = new URL("data/", document.baseURI)) => {
    const content = loading.get(model) ?? fetchInflated(base, name, model).then((bytes) => parse(bytes, model));
    loading.set(model, content);
    content.catch(() => loading.delete(model));
    return content;
  };
}

/**
 * Fetch a gzipped file of data/ and inflate it.
 * @param {URL | string} base address of data/
 * @param {string} name
 * @param {Model} model
 * @throws {BundleError}
 */
async function fetchInflated(base, name, model) {
  try {
    const packed = await (await fetchFile(dataUrl(base, name, model))).blob();
    // Some hosts send .gz files with Content-Encoding: gzip, so that the browser has inflated them already.
    if (packed.size !== model.files[name].bytes) return await packed.arrayBuffer();
    return await inflate(packed, name);
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`${name} was cut off or is damaged: reload the page.`);
  }
}

/**
 * Inflate a gzipped file, to MAX_INFLATED_BYTES at most.
 * @param {Blob} packed
 * @param {string} name
 */
export function inflate(packed, name) {
  return readBounded(packed.stream().pipeThrough(new DecompressionStream("gzip")), name);
}

/**
 * Read a whole stream, at most MAX_INFLATED_BYTES of it.
 * @param {ReadableStream<Uint8Array>} stream
 * @param {string} name
 */
function readBounded(stream, name) {
  let size = 0;
  const counter = new TransformStream({
    /**
     * @param {Uint8Array} chunk
     * @param {TransformStreamDefaultController<Uint8Array>} controller
     */
    transform(chunk, controller) {
      size += chunk.length;
      assert(size <= MAX_INFLATED_BYTES, `${name} is larger than anything this page has use for.`);
      controller.enqueue(chunk);
    },
  });
  return new Response(stream.pipeThrough(counter)).arrayBuffer();
}
