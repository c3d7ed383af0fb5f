// A file of vectors or words in the worker: read from this device, or downloaded and kept there.

import { Download } from "./download.js";
import { isIntact } from "./validate.js";

/** @import { DataFile } from "./model.js" */
/** @import { GetBuffer, PlaneStorage } from "./plane_storage.js" */

const KEEP_BYTES = 2 ** 21; // after which what has come is written to the device, so that a reload loses no more

export class PlaneFile {
  #download;
  #getBuffer;
  #file;
  #storage;
  #storedName;
  /** How many of the bytes are on this device. */
  #kept = 0;
  #keeps;

  /**
   * @param {object} options
   * @param {URL} options.base address of data/
   * @param {string} options.name of the file
   * @param {DataFile} options.file
   * @param {GetBuffer} options.getBuffer memory of the file's size
   * @param {PlaneStorage | null} options.storage null where the browser stores nothing
   * @param {string} options.storedName name on this device
   */
  constructor({ base, name, file, getBuffer, storage, storedName }) {
    this.#download = new Download(base, name, file, getBuffer);
    this.#file = file;
    this.#getBuffer = getBuffer;
    this.#storage = storage;
    this.#storedName = storedName;
    this.#keeps = storage !== null;
  }

  /** How many bytes are in memory, from the first one on. */
  get received() {
    return this.#download.received;
  }

  /** How many of them were not downloaded. */
  get atHand() {
    return this.#download.atHand;
  }

  get isWhole() {
    return this.received === this.#file.bytes;
  }

  /** Read what is on this device: the whole file or the beginning of one. What is damaged is removed. */
  async restore() {
    if (!this.#storage) return;
    const size = await this.#storage.read(this.#storedName, this.#getBuffer).catch(() => 0);
    const isDamaged = size === this.#file.bytes && !(await isIntact(this.#getBuffer(), this.#file.sha256));
    if (isDamaged) await this.#remove();
    this.#download.received = isDamaged ? 0 : size;
    this.#kept = this.received;
  }

  /** Take bytes that came by another way, unless more of them are there. @param {Uint8Array} beginning */
  prefill(beginning) {
    if (this.received >= beginning.length) return;
    this.#getBuffer().set(beginning);
    this.#download.received = beginning.length;
  }

  /**
   * Download what is missing, and keep it on this device.
   * @param {() => void} onBytes called whenever more has come
   * @returns {Promise<boolean>} whether the file is on this device now
   * @throws {BundleError}
   */
  async complete(onBytes) {
    try {
      await this.#download.run(async () => {
        onBytes();
        if (this.received < this.#kept) this.#kept = 0; // it began anew
        if (this.received - this.#kept >= KEEP_BYTES && !this.isWhole) await this.#keep();
      });
    } catch (error) {
      if (this.received) await this.#keep();
      else await this.#remove();
      throw error;
    }
    if (this.#kept < this.#file.bytes) {
      if (!this.#keeps) [this.#kept, this.#keeps] = [0, true]; // once more, as a whole
      await this.#keep();
    }
    return this.#kept === this.#file.bytes;
  }

  /** Write what has come since the last time; after a failure no more, a full device stays full. */
  async #keep() {
    if (!this.#keeps) return;
    const end = this.received;
    const written = this.#storage?.write(this.#storedName, this.#getBuffer, this.#kept, end) ?? Promise.reject();
    await written.then(
      () => {
        this.#kept = end;
      },
      () => {
        [this.#kept, this.#keeps] = [0, false];
      },
    );
  }

  async #remove() {
    this.#kept = 0;
    await this.#storage?.remove(this.#storedName).catch(() => {}); // its hash says next time that it is damaged
  }
}
