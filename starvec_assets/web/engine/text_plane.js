// Vectors of the text alone, at eight bits: how alike the text of every repository is to that of a basket.

import { dot, userVector } from "./vectors.js";

export class TextPlane {
  #lengths = new Float32Array(0);

  /**
   * @param {number} n
   * @param {number} d
   */
  constructor(n, d) {
    this.n = n;
    this.d = d;
    /** Rows as int8 [n * d], to be filled before `cosines`. */
    this.bytes = new Uint8Array(n * d);
  }

  /**
   * Cosine of each row's text to the weighted mean of the texts of some rows, [n]; 0 for a row without text.
   * @param {Uint32Array} indices
   * @param {Float32Array} weights one for each of `indices`; a negative one subtracts
   */
  cosines(indices, weights) {
    const { n, d } = this;
    const rows = new Int8Array(this.bytes.buffer);
    const row = (/** @type {number} */ i) => rows.subarray(i * d, (i + 1) * d);
    if (!this.#lengths.length)
      this.#lengths = Float32Array.from({ length: n }, (_, i) => Math.sqrt(dot(row(i), row(i))));
    const lengths = this.#lengths;
    const unit = new Float32Array(indices.length * d);
    for (const [i, index] of indices.entries())
      unit.set(
        Float32Array.from(row(index), (x) => x / (lengths[index] || 1)),
        i * d,
      );
    const query = userVector(unit, weights, d);
    const cosines = new Float32Array(n);
    for (let i = 0, at = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < d; j++, at++) sum += rows[at] * query[j];
      cosines[i] = sum / (lengths[i] || 1);
    }
    return cosines;
  }
}
