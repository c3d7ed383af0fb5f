// Names of the repositories that a map labels, asked of the worker as they come into view.

/** @import { Engine } from "../engine/engine.js" */

const MAX_NAMES = 5000; // kept; a map shows some dozens at a time

export class MapNames {
  #engine;
  #onArrival;
  /** @type {Map<number, string>} */
  #names = new Map();
  /** Rows to ask for with the next request. @type {Set<number>} */
  #wanted = new Set();
  #isAsking = false;

  /**
   * @param {Engine} engine
   * @param {() => void} onArrival called when names that were asked for are there
   */
  constructor(engine, onArrival) {
    this.#engine = engine;
    this.#onArrival = onArrival;
  }

  /** Name of a row, "" while it is on its way. @param {number} row */
  get(row) {
    const name = this.#names.get(row);
    if (name !== undefined) return name;
    this.#wanted.add(row);
    if (!this.#isAsking) this.#ask().catch(() => {}); // a map without names is a map
    return "";
  }

  async #ask() {
    this.#isAsking = true;
    try {
      await null; // whatever else is drawn now is asked for at once
      const rows = [...this.#wanted];
      this.#wanted.clear();
      if (this.#names.size + rows.length > MAX_NAMES) this.#names.clear();
      for (const { row, name } of await this.#engine.repositories(rows)) this.#names.set(row, name);
    } finally {
      this.#isAsking = false;
    }
    this.#onArrival();
  }
}
