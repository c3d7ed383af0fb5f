// Benchmark worker, served beside the page's own modules: times every engine on every query.

import { createKernel, javascriptKernel } from "../engine/kernels.js";
import { search } from "../engine/search.js";

/** @import { Kernel } from "../engine/kernels.js" */

const K = 50;

self.onmessage = async ({ data: { n, d, count } }) => {
  const load = async (/** @type {string} */ name) => new Uint8Array(await (await fetch(name)).arrayBuffer());
  const queries = new Float32Array((await load("queries.f32")).buffer);
  const vectors = new Float32Array((await load("vectors.f32")).buffer);
  const planes = { hi: await load("../data/vectors.hi"), lo: await load("../data/vectors.lo") };
  const withPlanes = (/** @type {Kernel} */ kernel) => {
    kernel.hi().set(planes.hi);
    kernel.lo().set(planes.lo);
    kernel.setRows(n);
    return kernel;
  };
  const ours = withPlanes(await createKernel(await load("../engine/search.wasm"), n, d));
  const fallback = withPlanes(javascriptKernel(n, d));
  const single = await builtin(vectors, n, d, false, await load("peer.wasm"));
  const half = await builtin(new Uint16Array((await load("vectors.f16")).buffer), n, d, true, await load("peer.wasm"));
  const float32 = new Float32Search(vectors, n, d);

  /** @type {Record<string, (query: Float32Array, i: number) => Uint32Array>} */
  const engines = {
    ours: (query) => search(ours, n, d, query, K, null, true).indices,
    usearch: (query) => single(query),
    javascript: (query) => float32.search(query),
    fallback: (query) => search(fallback, n, d, query, K, null, true).indices,
    half: (query) => half(query),
  };
  /** @type {Record<string, number[]>} */
  const times = Object.fromEntries(Object.keys(engines).map((name) => [name, []]));
  let shared = 0;
  for (let i = -3; i < count; i++) {
    const query = queries.slice(Math.max(i, 0) * d, (Math.max(i, 0) + 1) * d);
    /** @type {Record<string, Uint32Array>} */
    const results = {};
    for (const [name, run] of Object.entries(engines)) {
      if (name === "half" && i >= 20) continue; // each takes a fifth of a second
      const start = performance.now();
      results[name] = run(query, i);
      if (i >= 0) times[name].push(performance.now() - start); // the first three warm up the compiler
    }
    const theirs = new Set(results.usearch);
    if (i >= 0) shared += results.ours.filter((row) => theirs.has(row)).length / K;
  }
  self.postMessage({ times, agreement: shared / count, memory: ours.bytes });
};

/**
 * USearch's built-in cosine over float32 or float16 rows.
 * @param {Float32Array | Uint16Array} vectors
 * @param {number} n
 * @param {number} d
 * @param {boolean} half
 * @param {BufferSource} module
 */
async function builtin(vectors, n, d, half, module) {
  const { instance } = await WebAssembly.instantiate(module);
  const { memory, reserve, builtin: scan } = /** @type {any} */ (instance.exports);
  const [rows, queryAddress, result] = [vectors.byteLength, 4 * d, 4 * K].map((bytes) => reserve(bytes));
  new Uint8Array(memory.buffer, rows, vectors.byteLength).set(new Uint8Array(vectors.buffer));
  return (/** @type {Float32Array} */ query) => {
    if (half) new Uint16Array(memory.buffer, queryAddress, d).set(Array.from(query, toHalf));
    else new Float32Array(memory.buffer, queryAddress, d).set(query);
    scan(rows, n, d, queryAddress, K, result, half ? 1 : 0);
    return new Uint32Array(memory.buffer, result, K).slice();
  };
}

/** Bits of a normal number as float16. @param {number} value */
function toHalf(value) {
  const [bits] = new Uint32Array(Float32Array.of(value).buffer);
  const exponent = ((bits >> 23) & 255) - 112;
  return ((bits >>> 16) & 0x8000) | (exponent <= 0 ? 0 : (exponent << 10) | ((bits >> 13) & 0x3ff));
}

/** Search in plain JavaScript: float32 dot products with four partial sums, and a sorted list of the best rows. */
class Float32Search {
  /**
   * @param {Float32Array} vectors
   * @param {number} n
   * @param {number} d
   */
  constructor(vectors, n, d) {
    Object.assign(this, { vectors, n, d });
    this.scores = new Float32Array(n);
  }

  /** @param {Float32Array} query */
  search(query) {
    const { vectors, n, d, scores } = /** @type {any} */ (this);
    for (let i = 0, at = 0; i < n; i++) {
      let [a, b, c, e] = [0, 0, 0, 0];
      for (let j = 0; j < d; j += 4, at += 4) {
        a += vectors[at] * query[j];
        b += vectors[at + 1] * query[j + 1];
        c += vectors[at + 2] * query[j + 2];
        e += vectors[at + 3] * query[j + 3];
      }
      scores[i] = a + b + (c + e);
    }
    /** @type {number[]} */
    const best = [];
    let least = -Infinity;
    for (let i = 0; i < n; i++) {
      if (best.length === K && scores[i] <= least) continue;
      let at = best.length;
      while (at > 0 && scores[best[at - 1]] < scores[i]) at--;
      best.splice(at, 0, i);
      if (best.length > K) best.pop();
      least = scores[best[best.length - 1]];
    }
    return Uint32Array.from(best);
  }
}
