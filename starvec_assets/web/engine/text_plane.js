// Vectors of the text alone, at eight bits: how alike the text of every repository is to that of a basket or a query.

import { integerQuery } from "./kernels.js";
import { dot, unitVector, userVector } from "./vectors.js";

/** @import { Kernel } from "./kernels.js" */

export class TextPlane {
  #plane;

  /**
   * @param {Kernel} kernel
   * @param {number} d
   */
  constructor(kernel, d) {
    this.d = d;
    this.#plane = kernel.addPlane(d);
    /** Rows as int8 [n * d], to be filled; invalid after an await. */
    this.bytes = this.#plane.bytes;
    /** Must be called once the plane is filled. */
    this.computeMultipliers = this.#plane.computeMultipliers;
  }

  /**
   * Cosine of each row's text to a vector, [n], to about four digits; 0 for a row without text.
   * @param {Float32Array} query [d], not necessarily a unit vector
   */
  cosines(query) {
    return this.#plane.cosines(integerQuery(unitVector(query)));
  }

  /**
   * The weighted mean of the texts of some rows, a unit vector.
   * @param {Uint32Array} indices
   * @param {Float32Array} weights one for each of `indices`; a negative one subtracts
   */
  mean(indices, weights) {
    const { d } = this;
    const bytes = this.bytes();
    const unit = new Float32Array(indices.length * d);
    for (const [i, index] of indices.entries()) {
      const row = new Int8Array(bytes.buffer, bytes.byteOffset + index * d, d);
      const length = Math.sqrt(dot(row, row)) || 1;
      unit.set(
        Float32Array.from(row, (x) => x / length),
        i * d,
      );
    }
    return userVector(unit, weights, d);
  }
}
