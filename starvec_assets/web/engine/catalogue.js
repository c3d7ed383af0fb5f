// @ts-check
/** Names, stars, languages and descriptions, each column loaded by itself. */

import { BundleError, check, get } from "./checks.js";
import { addressed } from "./model.js";

/** @typedef {import("./model.js").Model} Model */

const MOST_BYTES = 2 ** 29;

/** Columns in vocabulary order, most starred first. What has not arrived yet is empty. */
export class Catalogue {
  /** @type {string[]} */
  names = [];
  stars = new Uint32Array(0);
  /** GitHub's numbers of the repositories. */
  ids = new Float64Array(0);
  #languages = new Uint16Array(0);
  /** @type {string[]} */
  #descriptions = [];
  /** Whether the descriptions are there. */
  described = false;
  /** @type {Promise<void> | null} */
  #describing = null;
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
    /** Names are there: typing can begin. */
    this.namesReady = lines(base, "names.gz", model).then((names) => {
      this.#byName = new Map(names.map((_, i) => [names[names.length - 1 - i].toLowerCase(), names.length - 1 - i]));
      this.names = names;
    });
    /** Stars, languages and numbers are there. */
    this.columnsReady = inflated(base, "columns.gz", model).then((bytes) => this.#setColumns(bytes));
    // Who does not ask for a column need not hear that it failed; who does, does.
    for (const promise of [this.namesReady, this.columnsReady]) promise.catch(() => {});
  }

  /**
   * Starts loading and returns at once.
   * @param {URL | string} base address of data/
   * @param {Model} model
   */
  static open(base, model) {
    return new Catalogue(base, model);
  }

  /** @param {number} i */
  language(i) {
    return this.model.languages[this.#languages[i] ?? 0];
  }

  /** @param {number} i */
  description(i) {
    return this.#descriptions[i] ?? "";
  }

  /**
   * Fetches the descriptions, most of the catalogue's bytes, when it is first called; done when they are there. After a
   * failure the next call tries again.
   * @returns {Promise<void>}
   */
  describe() {
    return (this.#describing ??= lines(this.#base, "descriptions.gz", this.model).then(
      (descriptions) => {
        this.#descriptions = descriptions;
        this.described = true;
      },
      (error) => {
        this.#describing = null;
        throw error;
      },
    ));
  }

  /** Row of a name, letter case aside; -1 when it is not there. @param {string} name */
  indexOfName(name) {
    return this.#byName.get(name.toLowerCase()) ?? -1;
  }

  /** Row of a GitHub number; -1 when it is not there. @param {number} id */
  indexOfId(id) {
    return this.#byId.get(id) ?? -1;
  }

  /** @param {ArrayBuffer} bytes */
  #setColumns(bytes) {
    const { n, languages } = this.model;
    check(bytes.byteLength === 14 * n, `columns.gz holds ${bytes.byteLength} bytes, not ${14 * n}: reload the page.`);
    const ids = Float64Array.from(new BigUint64Array(bytes, 0, n), Number);
    const [stars, spoken] = [new Uint32Array(bytes, 8 * n, n), new Uint16Array(bytes, 12 * n, n)];
    check(spoken.every((language) => language < languages.length), "columns.gz names a language that is not listed.");
    this.#byId = new Map(Array.from(ids, (/** @type {number} */ id, /** @type {number} */ i) => [id, i]));
    [this.stars, this.ids, this.#languages] = [stars, ids, spoken];
  }
}

/**
 * @param {URL | string} base
 * @param {string} name
 * @param {Model} model
 */
async function lines(base, name, model) {
  const texts = new TextDecoder().decode(await inflated(base, name, model)).split("\n");
  check(texts.length === model.n, `${name} holds ${texts.length} lines, not ${model.n}: reload the page.`);
  return texts;
}

/**
 * @param {URL | string} base
 * @param {string} name
 * @param {Model} model
 */
async function inflated(base, name, model) {
  try {
    const packed = await (await get(addressed(base, name, model))).blob();
    // Some hosts say of a .gz file that it is an encoding, and the browser has inflated it already.
    if (packed.size !== model.files[name].bytes) return await packed.arrayBuffer();
    return await bounded(packed.stream().pipeThrough(new DecompressionStream("gzip")), name);
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`${name} was cut off or is damaged: reload the page.`);
  }
}

/**
 * @param {ReadableStream<Uint8Array>} stream
 * @param {string} name
 */
function bounded(stream, name) {
  let size = 0;
  const counter = new TransformStream({
    /** @param {Uint8Array} chunk @param {TransformStreamDefaultController<Uint8Array>} controller */
    transform(chunk, controller) {
      size += chunk.length;
      check(size <= MOST_BYTES, `${name} is larger than anything this page has use for.`);
      controller.enqueue(chunk);
    },
  });
  return new Response(stream.pipeThrough(counter)).arrayBuffer();
}
