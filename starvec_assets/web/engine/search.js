// @ts-check
/** A search over the planes: candidates by the kernel, then their cosines from all bits there are. */

import { check } from "./checks.js";
import { SCALE } from "./kernels.js";
import { dot, unit } from "./vectors.js";

/**
 * @typedef {import("./kernels.js").Kernel} Kernel
 * @typedef {{ indices: Uint32Array, cosines: Float32Array, scores: Float32Array, exact: boolean }} Found
 */

/** Rows that the int8 plane proposes: it puts nearly every one of the best 50 among its best 100. */
const CANDIDATES = 200;

/**
 * The `k` rows with the greatest cosine + bias, best first; equal ones in vocabulary order.
 * @param {Kernel} kernel
 * @param {number} n
 * @param {number} d
 * @param {Float32Array} query [d], of any length but finite
 * @param {number} k
 * @param {Float32Array | null} bias [n]; -Infinity leaves a row out
 * @param {boolean} exact whether the residual plane is there
 * @returns {Found}
 */
export function search(kernel, n, d, query, k, bias, exact) {
  check(query.length === d && query.every(Number.isFinite), `A query is ${d} finite numbers.`);
  check(bias === null || bias.length === n, `A bias is ${n} numbers.`);
  const asked = unit(query);
  const candidates = kernel.scan(Int16Array.from(asked, (x) => Math.round(x * SCALE)), Math.min(n, Math.max(CANDIDATES, 2 * k)), bias);
  const rows = new Rows(kernel, d, exact);
  const found = [];
  for (const index of candidates) {
    const added = bias ? bias[index] : 0;
    if (!(added > -Infinity)) continue;
    const length = rows.read(index);
    const cosine = length && dot(rows.row, asked) / length;
    found.push({ index, cosine, score: cosine + added });
  }
  found.sort((a, b) => b.score - a.score || a.index - b.index);
  found.length = Math.min(found.length, k);
  return {
    indices: Uint32Array.from(found, (f) => f.index),
    cosines: Float32Array.from(found, (f) => f.cosine),
    scores: Float32Array.from(found, (f) => f.score),
    exact,
  };
}

/**
 * Unit rows [indices.length * d].
 * @param {Kernel} kernel
 * @param {number} n
 * @param {number} d
 * @param {Uint32Array} indices
 * @param {boolean} exact
 */
export function vectors(kernel, n, d, indices, exact) {
  check(indices.every((i) => i < n), `A row is below ${n}.`);
  const rows = new Rows(kernel, d, exact);
  const read = new Float32Array(indices.length * d);
  indices.forEach((index, at) => {
    const length = rows.read(index) || 1;
    read.set(rows.row.map((x) => x / length), at * d);
  });
  return read;
}

/** Decodes rows of the planes, as they lie in memory now. */
class Rows {
  /** @param {Kernel} kernel @param {number} d @param {boolean} exact */
  constructor(kernel, d, exact) {
    this.hi = new Int8Array(kernel.hi().buffer, kernel.hi().byteOffset, kernel.hi().length);
    this.lo = exact ? kernel.lo() : null;
    this.row = new Float64Array(d);
  }

  /** Fills `row` with the integers of a row and returns their length. @param {number} index */
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
