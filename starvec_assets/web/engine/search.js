// Exact search in two steps: the kernel proposes candidates by the int8 plane, then both planes give their cosines.

import { integerQuery } from "./kernels.js";
import { assert } from "./validate.js";
import { dot, unitVector } from "./vectors.js";

/** @import { Kernel } from "./kernels.js" */

/**
 * @typedef {object} SearchResult
 * @property {Uint32Array} indices rows, best first
 * @property {Float32Array} cosines
 * @property {Float32Array} scores cosine + bias
 * @property {number} rows how many rows were searched, the most starred ones
 * @property {boolean} exact whether both planes were used
 */

/** Candidates proposed by the int8 plane, which has nearly all of the best 50 rows among its best 100. */
const MIN_CANDIDATES = 200;

/**
 * The `k` rows with the highest cosine + bias, best first, of those that the kernel has; ties in vocabulary order.
 * @param {Kernel} kernel
 * @param {number} n
 * @param {number} d
 * @param {Float32Array} query [d], finite, not necessarily a unit vector
 * @param {number} k
 * @param {Float32Array | null} bias [at most n]; -Infinity excludes a row; those without one are not searched
 * @param {boolean} exact whether the residual plane is loaded
 * @returns {SearchResult}
 */
export function search(kernel, n, d, query, k, bias, exact) {
  assert(query.length === d && query.every(Number.isFinite), `A query is ${d} finite numbers.`);
  const rows = Math.min(kernel.rows, bias?.length ?? n);
  const unitQuery = unitVector(query);
  const candidates = kernel.scan(integerQuery(unitQuery), rows, Math.min(rows, Math.max(MIN_CANDIDATES, 2 * k)), bias);
  const decoder = new RowDecoder(kernel, d, exact);
  const scored = [];
  for (const index of candidates) {
    const added = bias ? bias[index] : 0;
    if (!(added > -Infinity)) continue;
    const length = decoder.read(index);
    const cosine = length && dot(decoder.row, unitQuery) / length;
    scored.push({ index, cosine, score: cosine + added });
  }
  scored.sort((a, b) => b.score - a.score || a.index - b.index);
  scored.length = Math.min(scored.length, k);
  return {
    indices: Uint32Array.from(scored, ({ index }) => index),
    cosines: Float32Array.from(scored, ({ cosine }) => cosine),
    scores: Float32Array.from(scored, ({ score }) => score),
    rows,
    exact: exact && rows === n,
  };
}

/**
 * Unit rows [indices.length * d].
 * @param {Kernel} kernel
 * @param {number} n
 * @param {number} d
 * @param {Uint32Array} indices
 * @param {boolean} exact whether the residual plane is loaded
 */
export function unitRows(kernel, n, d, indices, exact) {
  assert(
    indices.every((i) => i < n),
    `A row is below ${n}.`,
  );
  const decoder = new RowDecoder(kernel, d, exact);
  const rows = new Float32Array(indices.length * d);
  for (const [i, index] of indices.entries()) {
    const length = decoder.read(index) || 1;
    rows.set(
      decoder.row.map((x) => x / length),
      i * d,
    );
  }
  return rows;
}

/** Decodes rows of the planes. Short-lived: after an await the planes may be at another place in memory. */
class RowDecoder {
  /**
   * @param {Kernel} kernel
   * @param {number} d
   * @param {boolean} exact
   */
  constructor(kernel, d, exact) {
    this.hi = new Int8Array(kernel.hi().buffer, kernel.hi().byteOffset, kernel.hi().length);
    this.lo = exact ? kernel.lo() : null;
    this.row = new Float64Array(d);
  }

  /** Decode a row into `row`, as integers, and return its length. @param {number} index */
  read(index) {
    const { hi, lo, row } = this;
    const d = row.length;
    let squares = 0;
    for (let j = 0, at = index * d; j < d; j += 2, at += 2) {
      let even = hi[at];
      let odd = hi[at + 1];
      if (lo) {
        const pair = lo[at >> 1];
        even = 16 * even + (pair & 15) - 8;
        odd = 16 * odd + (pair >> 4) - 8;
      }
      row[j] = even;
      row[j + 1] = odd;
      squares += even * even + odd * odd;
    }
    return Math.sqrt(squares);
  }
}
