// Names, numbers and descriptions of the repositories, in the worker: the page is told those of the rows that it shows.

import { normalizeQuery } from "../name_search.js";
import { fetchInflated } from "./data_file.js";
import { Lines } from "./lines.js";
import { NameIndex } from "./name_index.js";
import { assert } from "./validate.js";

/** @import { DataFile } from "./model.js" */

/**
 * @typedef {object} Repository
 * @property {number} row
 * @property {string} name
 * @property {number} stars in these data
 * @property {string} language "" for none
 * @property {string | null} description "" for none, null before the descriptions are loaded
 * @property {boolean} placed whether too few people starred it, so that its place is by its text
 * @property {boolean} superseded whether its name has gone to another repository: only the other one is found by it
 *
 * @typedef {Repository & {edits: number}} NamedRepository `edits`: how far its name is from what was typed, 0 if it
 *   contains that
 *
 * @typedef {object} CatalogueFacts
 * @property {number} mostStars of a repository
 * @property {number} monthsCovered from the month in which one was last seen to the newest such month
 *
 * @typedef {object} CatalogueOptions
 * @property {number} n
 * @property {number} placed how many of the rows, the last ones, have their place by their text
 * @property {string[]} languages by code
 * @property {number[]} superseded rows
 * @property {Record<string, DataFile>} files of data/, by name
 */

/** Columns in vocabulary order, most starred first. */
export class Catalogue {
  #base;
  #options;
  #names;
  #index;
  #ids;
  #superseded;
  /** @type {Lines | null} */
  #descriptions = null;
  /** @type {Promise<void> | null} */
  #loadingDescriptions = null;

  /**
   * Load names and numbers.
   * @param {URL} base address of data/
   * @param {CatalogueOptions} options
   * @throws {BundleError}
   */
  static async load(base, options) {
    const [names, columns] = await Promise.all(
      ["names.gz", "columns.gz"].map((name) => fetchInflated(base, name, options)),
    );
    return new Catalogue(base, options, new Lines(new Uint8Array(names), options.n, "names.gz"), columns);
  }

  /**
   * @param {URL} base
   * @param {CatalogueOptions} options
   * @param {Lines} names
   * @param {ArrayBuffer} columns ids as uint64, stars as uint32, languages and months last seen as uint16
   */
  constructor(base, options, names, columns) {
    const { n, languages } = options;
    const size = 16 * n;
    assert(columns.byteLength === size, `columns.gz holds ${columns.byteLength} bytes, not ${size}: reload the page.`);
    this.#base = base;
    this.#options = options;
    this.#names = names;
    this.#superseded = new Set(options.superseded);
    this.#index = new NameIndex(names, options.superseded);
    this.n = n;
    this.languages = languages;
    /** GitHub's ids: pairs of the lower and the higher half. */
    this.#ids = new Uint32Array(columns, 0, 2 * n);
    this.stars = new Uint32Array(columns, 8 * n, n);
    this.languageCodes = new Uint16Array(columns, 12 * n, n);
    /** Month in which each repository was last seen, counted from January of the year 0; 0 where it is unknown. */
    this.lastSeen = new Uint16Array(columns, 14 * n, n);
    assert(
      this.languageCodes.every((code) => code < languages.length),
      "columns.gz names a language that is not listed.",
    );
    this.newestMonth = this.lastSeen.reduce((newest, month) => Math.max(newest, month), 0);
  }

  /** @returns {CatalogueFacts} */
  get facts() {
    return {
      mostStars: this.stars.reduce((most, stars) => Math.max(most, stars), 0),
      monthsCovered: this.newestMonth - this.lastSeen.reduce((oldest, month) => Math.min(oldest, month)),
    };
  }

  get descriptionsLoaded() {
    return this.#descriptions !== null;
  }

  /**
   * Load the descriptions, most of the catalogue's bytes, at the first call; after a failure the next call tries again.
   * @returns {Promise<void>}
   */
  loadDescriptions() {
    const file = "descriptions.gz";
    this.#loadingDescriptions ??= fetchInflated(this.#base, file, this.#options)
      .then((bytes) => {
        this.#descriptions = new Lines(new Uint8Array(bytes), this.n, file);
      })
      .catch((error) => {
        this.#loadingDescriptions = null;
        throw error;
      });
    return this.#loadingDescriptions;
  }

  /** @param {number} row @returns {Repository} */
  repository(row) {
    assert(row < this.n, `A row is below ${this.n}.`);
    return {
      row,
      name: this.#names.get(row),
      stars: this.stars[row],
      language: this.languages[this.languageCodes[row]],
      description: this.#descriptions?.get(row) ?? null,
      placed: row >= this.n - this.#options.placed,
      superseded: this.#superseded.has(row),
    };
  }

  /**
   * The repository of a name in any letter case, or of an address at GitHub.
   * @param {string} name
   * @returns {Repository | null}
   */
  repositoryNamed(name) {
    const exact = this.#index.rowOf(name.toLowerCase());
    const row = exact < 0 ? this.#index.rowOf(normalizeQuery(name)) : exact;
    return row < 0 ? null : this.repository(row);
  }

  /**
   * The repository that is called `name`, with or without its owner and with any separators.
   * @param {string} name
   * @returns {Repository | null}
   */
  repositoryCalled(name) {
    const exact = this.repositoryNamed(name);
    if (exact) return exact;
    const joined = (/** @type {string} */ text) => text.toLowerCase().replace(/[\s_.-]+/g, "-");
    const wanted = joined(normalizeQuery(name));
    const isCalled = (/** @type {Repository} */ one) => joined(one.name.replace(/^.*\//, "")) === wanted;
    return this.suggest(name).find(isCalled) ?? null;
  }

  /**
   * The best repositories for what was typed so far of a name.
   * @param {string} typed
   * @param {number} [k] at most so many
   * @returns {NamedRepository[]}
   */
  suggest(typed, k) {
    return this.#index.search(typed, k).map(({ index, edits }) => ({ ...this.repository(index), edits }));
  }

  /**
   * The repositories whose names are most similar to a whole name that is not known.
   * @param {string} name
   * @param {number} [k] at most so many
   * @returns {NamedRepository[]}
   */
  nearestNames(name, k) {
    return this.#index.nearest(name, k).map(({ index, edits }) => ({ ...this.repository(index), edits }));
  }

  /**
   * Distinct rows of repositories that were starred, in the order of `stars`, looked up by id, or by name where the id is
   * unknown: a repository may have been made anew, and the ids of the sample are not GitHub's. A name alone may have gone
   * to another repository.
   * @param {{id: number, name: string}[]} stars
   */
  rowsOfStars(stars) {
    const byId = new Map(stars.map(({ id }) => [id, -1]));
    for (let row = 0; row < this.n; row++) {
      const id = this.#ids[2 * row] + this.#ids[2 * row + 1] * 2 ** 32;
      if (byId.has(id)) byId.set(id, row);
    }
    const byName = this.#index.rowsOf(stars.filter(({ id }) => byId.get(id) === -1).map(({ name }) => name));
    const rows = stars.map(({ id, name }) => {
      const row = byId.get(id) ?? -1;
      return row >= 0 ? row : (byName.get(name.toLowerCase()) ?? -1);
    });
    return Uint32Array.from(new Set(rows.filter((row) => row >= 0)));
  }
}
