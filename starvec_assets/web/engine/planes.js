// The vectors and the index of words in the worker: which of them are here, and how they come. Rows come most starred
// first, so that the first ones are searched while the others are on their way.

import { inflate } from "./data_file.js";
import { loadFirstRows } from "./first_rows.js";
import { createKernel } from "./kernels.js";
import { PlaneFile } from "./plane_file.js";
import { openStorage } from "./plane_storage.js";
import { TextPlane } from "./text_plane.js";
import { fetchFile, isIntact } from "./validate.js";

/** @import { FirstRows } from "./first_rows.js" */
/** @import { Kernel } from "./kernels.js" */
/** @import { Model } from "./model.js" */
/** @import { GetBuffer, PlaneStorage } from "./plane_storage.js" */

/**
 * @typedef {"hi" | "lo" | "text" | "words" | "textWords"} Plane what is stored by itself on this device
 * @typedef {Pick<Model, "id" | "n" | "d" | "textD" | "firstRows" | "wasm" | "files">} PlaneOptions
 * @typedef {{storage: PlaneStorage | null, kernel: Kernel, hi: PlaneFile, lo: PlaneFile}} Prepared
 */

/** @type {Record<Plane, string>} */
const FILES = {
  hi: "vectors.hi",
  lo: "vectors.lo",
  text: "vectors.text",
  words: "words.index",
  textWords: "words.text",
};

export class Planes {
  #base;
  #options;
  #post;
  /** @type {Promise<void>} */
  #opening;
  #isDownloading = false;
  /** Rows of the first plane that are in memory. */
  #arrived = 0;
  #isExact = false;
  /** Who waits for a row to arrive. @type {{row: number, resolve: () => void}[]} */
  #waiting = [];
  /** @type {TextPlane | null} */
  #allocatedText = null;
  /** `#allocatedText`, once it is filled. @type {TextPlane | null} */
  #textPlane = null;
  #storage;
  #prepared = once(() => this.#prepare());

  /** Memory of the kernel in bytes. */
  bytes = 0;
  /** The first rows; null where all vectors are on this device, or the file could not be loaded. @type {Promise<FirstRows | null>} */
  firstRows;
  /** The vectors of the texts. */
  text = this.#oncePlane("text", () => this.#loadText());
  words = this.#oncePlane("words", async () => {
    const { n, d } = this.#options;
    const { TextIndex } = await import("./text_index.js");
    return new TextIndex(await this.#loadInflated("words"), n, d);
  });
  #textWords = this.#oncePlane("textWords", async () => {
    const { parseTextWords } = await import("./text_index.js");
    return parseTextWords(await this.#loadInflated("textWords"), this.#options.textD);
  });

  /**
   * @param {URL} base address of data/
   * @param {PlaneOptions} options
   * @param {(message: Record<string, unknown>) => void} post sends a message to the page
   */
  constructor(base, options, post) {
    this.#base = base;
    this.#options = options;
    this.#post = post;
    this.#storage = openStorage(base);
    this.firstRows = this.#loadFirstRows();
    this.#opening = this.#open();
    this.#opening.catch(() => {}); // `download` and `vectors` see the error
  }

  /** Download the planes of vectors that are not loaded, and store them. Calls during a download have no effect. */
  async download() {
    if (this.#isDownloading) return; // the download in progress reports to the page already
    this.#isDownloading = true;
    try {
      await this.#opening.catch(() => {}); // whatever failed there is tried again here
      const { kernel, hi, lo } = await this.#prepared();
      if (this.#isExact) return;
      const hiStored = await this.#complete("hi", hi, () => this.#onArrived(kernel, hi)).catch((error) => {
        if (!hi.received) this.#withdraw(kernel); // its bytes were wrong
        throw error;
      });
      this.#onWhole(kernel);
      const loStored = await this.#complete("lo", lo, () => {});
      this.#onExact(kernel);
      this.#post({ type: "stored", value: hiStored && loStored });
    } finally {
      this.#isDownloading = false;
    }
  }

  /**
   * The vectors. To be asked for last: after an await they may be at another place in memory, and exact.
   * @param {ArrayLike<number>} [rows] that are needed; without any, the first one
   */
  async vectors(rows = []) {
    const { n, d } = this.#options;
    const { kernel } = await this.#prepared();
    let last = 0;
    for (let i = 0; i < rows.length; i++) if (rows[i] < n) last = Math.max(last, rows[i]);
    await this.#arrival(last);
    return { kernel, n, d, exact: this.#isExact };
  }

  /**
   * Those of some rows that have arrived, once there is at least one of them.
   * @param {Uint32Array} rows
   */
  async arrivedOf(rows) {
    if (rows.length) await this.#arrival(rows.reduce((least, row) => Math.min(least, row)));
    return rows.filter((row) => row < this.#arrived);
  }

  /**
   * The vectors of the texts and of their words, null where the former are not loaded. Without network the latter may be
   * missing: the search goes on without both, and says so.
   */
  async textOfSearch() {
    if (!this.#textPlane) return null;
    const words = await this.#textWords().catch(() => null);
    return words && { plane: this.#textPlane, words };
  }

  /** Read the planes that are stored on this device, else the first rows, and delete planes of other models. */
  async #open() {
    const { kernel, hi, lo, storage } = await this.#prepared();
    await hi.restore();
    if (hi.isWhole) {
      this.#postProgress("hi", hi, "cache");
      this.#onWhole(kernel);
      await lo.restore();
      if (lo.isWhole) this.#onExact(kernel);
    } else {
      const first = await this.firstRows;
      if (first) hi.prefill(first.vectors);
      this.#onArrived(kernel, hi);
    }
    const size = this.#options.files[FILES.words].bytes;
    const words = await storage?.has(this.#storedName("words"), size).catch(() => false);
    this.#post({ type: "wordsCached", value: words ?? false });
    this.#post({ type: "cached", value: this.#isExact });
    if (this.#isExact) this.#post({ type: "stored", value: true });
    const names = /** @type {Plane[]} */ (Object.keys(FILES)).map((plane) => this.#storedName(plane));
    await storage?.prune(names).catch(() => {}); // a failure is harmless: the next visit tries again
  }

  /** Create the kernel. @returns {Promise<Prepared>} */
  async #prepare() {
    const { n, d } = this.#options;
    const [storage, kernel] = await Promise.all([
      this.#storage,
      this.#loadCore().then((wasm) => createKernel(wasm, n, d)),
    ]);
    this.bytes = kernel.bytes;
    return { storage, kernel, hi: await this.#planeFile("hi", kernel.hi), lo: await this.#planeFile("lo", kernel.lo) };
  }

  /** search.wasm; null where the page has none, or it is not the one that model.json means: JavaScript does the same. */
  async #loadCore() {
    const { wasm } = this.#options;
    if (!wasm) return null;
    const bytes = await fetchFile(new URL("search.wasm", import.meta.url), { priority: "high" }).then(
      (response) => response.arrayBuffer(),
      () => null,
    );
    return bytes && (await isIntact(bytes, wasm)) ? bytes : null;
  }

  async #loadFirstRows() {
    const { files } = this.#options;
    const storage = await this.#storage;
    if (await storage?.has(this.#storedName("hi"), files[FILES.hi].bytes).catch(() => false)) return null;
    return loadFirstRows(this.#base, this.#options).catch(() => null); // the answer comes with the whole, later
  }

  /**
   * Search the rows that have come whenever they are twice as many, and at last all when they are checked (`#onWhole`).
   * @param {Kernel} kernel
   * @param {PlaneFile} hi
   */
  #onArrived(kernel, hi) {
    const { n, d, firstRows } = this.#options;
    this.#arrived = Math.max(this.#arrived, Math.floor(hi.received / d)); // a download that begins anew brings the same
    if (this.#arrived < n && this.#arrived >= Math.max(firstRows, 2 * kernel.rows)) this.#searchRows(kernel);
    this.#wakeWaiting();
  }

  /** @param {Kernel} kernel */
  #onWhole(kernel) {
    this.#arrived = this.#options.n;
    if (kernel.rows < this.#arrived) this.#searchRows(kernel);
    this.#wakeWaiting();
  }

  /** @param {Kernel} kernel */
  #searchRows(kernel) {
    kernel.setRows(this.#arrived);
    this.#postRefined(kernel);
  }

  /** Search nothing until the download has begun anew. @param {Kernel} kernel */
  #withdraw(kernel) {
    this.#arrived = 0;
    this.#searchRows(kernel);
  }

  #wakeWaiting() {
    const isThere = (/** @type {{row: number}} */ { row }) => row < this.#arrived;
    for (const { resolve } of this.#waiting.filter(isThere)) resolve();
    this.#waiting = this.#waiting.filter((one) => !isThere(one));
  }

  /** @param {Kernel} kernel */
  #onExact(kernel) {
    this.#isExact = true;
    this.#postRefined(kernel);
  }

  /** @param {Kernel} kernel */
  #postRefined(kernel) {
    this.bytes = kernel.bytes;
    this.#post({ type: "refined", rows: kernel.rows, exact: this.#isExact, kernel: kernel.name, bytes: kernel.bytes });
  }

  /** @param {number} row @returns {Promise<void>} */
  #arrival(row) {
    if (row < this.#arrived) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ row, resolve }));
  }

  /**
   * @param {Plane} plane
   * @param {GetBuffer} getBuffer
   */
  async #planeFile(plane, getBuffer) {
    const name = FILES[plane];
    return new PlaneFile({
      base: this.#base,
      name,
      file: this.#options.files[name],
      getBuffer,
      storage: await this.#storage,
      storedName: this.#storedName(plane),
    });
  }

  /**
   * Download what is missing of a plane, with its progress.
   * @param {Plane} plane
   * @param {PlaneFile} file
   * @param {() => void} onBytes
   * @returns {Promise<boolean>} whether it is on this device now
   */
  async #complete(plane, file, onBytes) {
    if (file.isWhole) return true;
    return file.complete(() => {
      this.#postProgress(plane, file, "network");
      onBytes();
    });
  }

  /**
   * @param {Plane} plane
   * @param {PlaneFile} file
   * @param {"network" | "cache"} source
   */
  #postProgress(plane, file, source) {
    const { bytes } = this.#options.files[FILES[plane]];
    const skipped = source === "network" ? file.atHand : 0;
    const detail = { loaded: file.received - skipped, total: bytes - skipped, plane, source };
    this.#post({ type: "progress", detail });
  }

  /** A second try fills the memory of the first, which cannot be freed. */
  async #loadText() {
    const { kernel } = await this.#prepared();
    this.#allocatedText ??= new TextPlane(kernel, this.#options.textD);
    await this.#load("text", this.#allocatedText.bytes);
    this.#allocatedText.computeMultipliers();
    this.#textPlane = this.#allocatedText;
    return this.#textPlane;
  }

  /** Content of a gzipped file. @param {Plane} plane */
  async #loadInflated(plane) {
    const bytes = new Uint8Array(this.#options.files[FILES[plane]].bytes);
    await this.#load(plane, () => bytes);
    return inflate(bytes.buffer, FILES[plane]);
  }

  /**
   * Fill a plane from this device or the network, and store it.
   * @param {Plane} plane
   * @param {GetBuffer} getBuffer
   */
  async #load(plane, getBuffer) {
    const file = await this.#planeFile(plane, getBuffer);
    await file.restore();
    if (file.isWhole) this.#postProgress(plane, file, "cache");
    else await this.#complete(plane, file, () => {});
  }

  /**
   * `once` for a plane: a failure ends the progress that the page shows.
   * @template T
   * @param {Plane} plane
   * @param {() => Promise<T>} load
   */
  #oncePlane(plane, load) {
    return once(() =>
      load().catch((error) => {
        const total = this.#options.files[FILES[plane]].bytes;
        this.#post({ type: "progress", detail: { loaded: 0, total, plane, source: "network" } });
        throw error;
      }),
    );
  }

  /**
   * Name under which a plane is stored on this device. The index of words may change while the vectors stay.
   * @param {Plane} plane
   */
  #storedName(plane) {
    const { id, files } = this.#options;
    const isOfWords = plane === "words" || plane === "textWords";
    return `${isOfWords ? files[FILES[plane]].sha256.slice(0, 16) : id}.${plane}`;
  }
}

/**
 * A function that loads something at its first call; after a failure the next call tries again.
 * @template T
 * @param {() => Promise<T>} load
 */
export function once(load) {
  /** @type {Promise<T> | null} */
  let loading = null;
  return () => {
    loading ??= load().catch((error) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}
