// Lines of text in memory as the bytes that they came in: as many strings would take several times as much.

import { assert } from "./validate.js";

const NEWLINE = 10;
const decoder = new TextDecoder();

export class Lines {
  /**
   * @param {Uint8Array} bytes UTF-8
   * @param {number} count of lines that there must be
   * @param {string} name of the file in the message
   * @throws {BundleError}
   */
  constructor(bytes, count, name) {
    this.bytes = bytes;
    /** Where each line begins, and one past the end: [count + 1]. */
    this.starts = new Uint32Array(count + 1);
    let found = 1;
    for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) this.starts[found++] = at + 1;
    assert(found === count, `${name} holds ${found} lines, not ${count}: reload the page.`);
    this.starts[count] = bytes.length + 1;
  }

  get length() {
    return this.starts.length - 1;
  }

  /** @param {number} i */
  get(i) {
    return decoder.decode(this.bytes.subarray(this.starts[i], this.starts[i + 1] - 1));
  }
}
