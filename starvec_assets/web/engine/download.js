// Downloads a file into memory, and goes on where it was when the connection drops.

import { free } from "./memory.js";
import { assert, BundleError, fetchFile, isIntact } from "./validate.js";

/** @import { DataFile } from "./model.js" */
/** @import { GetBuffer } from "./plane_storage.js" */

const STALL_MS = 30_000; // without a byte, after which a connection is given up

/** The connection ended before the file did. */
class CutOff extends BundleError {}

/** A file on its way into memory. What has come stays when `run` fails, and the next `run` asks for the rest alone. */
export class Download {
  /** How many bytes have come, from the first one on. May be set before `run`, when some were at hand already. */
  received = 0;
  /** How many of them were not downloaded. */
  atHand = 0;
  /** Strong ETag of the bytes, "" where the host gives none. */
  #etag = "";
  #url;
  #name;
  #file;
  #getBuffer;

  /**
   * @param {URL} base address of data/
   * @param {string} name
   * @param {DataFile} file
   * @param {GetBuffer} getBuffer memory of the file's size
   */
  constructor(base, name, file, getBuffer) {
    this.#url = new URL(`${name}?${file.sha256.slice(0, 16)}`, base);
    this.#name = name;
    this.#file = file;
    this.#getBuffer = getBuffer;
  }

  /**
   * Download what has not come yet, and check the whole. Goes on by itself for as long as every connection brings more.
   * @param {() => Promise<void> | void} onBytes called whenever more has come
   * @throws {BundleError} when a connection brought nothing; or the bytes are others than model.json says, and all of
   *   them have to be downloaded again
   */
  async run(onBytes) {
    this.atHand = this.received;
    await onBytes(); // the first byte may take a while
    while (this.received < this.#file.bytes) {
      const before = this.received;
      try {
        await this.#continue(onBytes);
      } catch (error) {
        if (!(error instanceof CutOff) || this.received <= before) throw error;
      }
    }
    if (await isIntact(this.#getBuffer(), this.#file.sha256)) return;
    this.#startOver();
    throw new BundleError(`${this.#name} is not what model.json says it is (SHA-256): reload the page.`);
  }

  #startOver() {
    [this.received, this.atHand, this.#etag] = [0, 0, ""];
  }

  /** Read one response to its end. @param {() => Promise<void> | void} onBytes */
  async #continue(onBytes) {
    const { bytes } = this.#file;
    const controller = new AbortController();
    let stalled = setTimeout(() => controller.abort(), STALL_MS);
    try {
      const response = await this.#request(controller.signal);
      const reader = response.body?.getReader();
      for (;;) {
        clearTimeout(stalled);
        stalled = setTimeout(() => controller.abort(), STALL_MS);
        const chunk = await reader?.read().catch(() => {
          throw this.#cutOff();
        });
        if (!chunk || chunk.done) break;
        if (this.received + chunk.value.length > bytes) {
          controller.abort();
          this.#startOver();
          throw new BundleError(`${this.#name} is longer than the ${bytes} bytes of this model: reload the page.`);
        }
        this.#getBuffer().set(chunk.value, this.received);
        this.received += chunk.value.length;
        free(chunk.value.buffer);
        await onBytes();
      }
    } finally {
      clearTimeout(stalled);
    }
    if (this.received < bytes) throw this.#cutOff();
  }

  #cutOff() {
    return new CutOff(
      `The download of ${this.#name} was cut off after ${this.received} of ${this.#file.bytes} bytes: try again.`,
    );
  }

  /**
   * A response whose body begins at `received`, which becomes 0 where the host has no ranges or another version.
   * @param {AbortSignal} signal
   */
  async #request(signal) {
    /** @type {Record<string, string>} */
    const headers = {};
    if (this.received) headers.Range = `bytes=${this.received}-`;
    if (this.received && this.#etag) headers["If-Range"] = this.#etag;
    const response = await fetchFile(this.#url, { cache: "no-store", headers, signal }, [416]);
    const etag = response.headers.get("etag") ?? "";
    const isRest =
      response.status === 206 &&
      response.headers.get("content-range") === `bytes ${this.received}-${this.#file.bytes - 1}/${this.#file.bytes}`;
    if (this.received && !isRest) this.#startOver();
    this.#etag = etag.startsWith('"') ? etag : "";
    if (response.status === 200 || isRest) return response;
    // Another range than was asked for, or none at all of a shorter file: the whole, which the hash decides on.
    const whole = await fetchFile(this.#url, { cache: "no-store", signal });
    assert(whole.status === 200, `${this.#name} could not be fetched: the server answered ${whole.status}.`);
    return whole;
  }
}
