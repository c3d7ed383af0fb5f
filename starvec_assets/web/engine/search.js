// @ts-check
/** A search over the planes: candidates by the kernel, then their cosines from all bits there are. */

import { check } from "./checks.js";
import { SCALE } from "./kernels.js";
import { unit } from "./vectors.js";

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
  const row = new Float64Array(d);
  const found = [];
  for (const index of candidates) {
    const added = bias ? bias[index] : 0;
    if (!(added > -Infinity)) continue;
    const cosine = readRow(kernel, d, index, exact, row) ? product(row, asked) : 0;
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
  const rows = new Float32Array(indices.length * d);
  const row = new Float64Array(d);
  indices.forEach((index, at) => {
    readRow(kernel, d, index, exact, row);
    rows.set(row, at * d);
  });
  return rows;
}

/**
 * Decodes one row, divided by its length; false for a zero row.
 * @param {Kernel} kernel
 * @param {number} d
 * @param {number} index
 * @param {boolean} exact
 * @param {Float64Array} row [d], filled
 */
function readRow(kernel, d, index, exact, row) {
  const hi = kernel.hi();
  const lo = kernel.lo();
  let squares = 0;
  for (let j = 0, at = index * d; j < d; j++, at++) {
    let value = (hi[at] << 24) >> 24;
    if (exact) {
      const pair = lo[at >> 1];
      value = 16 * value + (j & 1 ? pair >> 4 : pair & 15) - 8;
    }
    row[j] = value;
    squares += value * value;
  }
  const length = Math.sqrt(squares) || 1;
  for (let j = 0; j < d; j++) row[j] /= length;
  return squares > 0;
}

/** @param {Float64Array} a @param {Float32Array} b */
function product(a, b) {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}
