// @ts-check
/**
 * Where the planes lie and how they are scanned: in WebAssembly with SIMD, or in plain JavaScript. Both come to the
 * same rows: integers are exact, and what is not is rounded to float32 at the same places.
 */

/** Length that a query of int16 is scaled to; sums of 127 * it over any dimension stay within int32. */
export const SCALE = 32000;

/**
 * @typedef {object} Kernel
 * @property {"wasm" | "javascript"} name
 * @property {number} bytes memory taken, in bytes
 * @property {() => Uint8Array<ArrayBuffer>} hi the int8 plane [n * d], to fill and to read; ask again after every await
 * @property {() => Uint8Array<ArrayBuffer>} lo the residual plane [n * d / 2]
 * @property {() => void} index to call when the int8 plane is there
 * @property {(query: Int16Array, wanted: number, bias: Float32Array | null) => Uint32Array} scan rows with the greatest
 *   scores, best first
 */

/**
 * The kernel for this browser.
 * @param {BufferSource} module search.wasm
 * @param {number} n
 * @param {number} d
 * @returns {Promise<Kernel>}
 */
export async function kernel(module, n, d) {
  return globalThis.WebAssembly?.validate(module) ? await wasmKernel(module, n, d) : javascriptKernel(n, d);
}

/**
 * @typedef {object} Exports of core/search.cpp
 * @property {WebAssembly.Memory} memory
 * @property {(bytes: number) => number} reserve
 * @property {(rows: number, n: number, d: number, scale: number, multipliers: number) => void} index
 * @property {(rows: number, multipliers: number, bias: number, n: number, d: number, query: number, wanted: number, found: number) => number} scan
 */

/**
 * @param {BufferSource} module
 * @param {number} n
 * @param {number} d
 * @returns {Promise<Kernel>}
 */
async function wasmKernel(module, n, d) {
  const { instance } = await WebAssembly.instantiate(module);
  const { memory, reserve, index, scan } = /** @type {Exports} */ (/** @type {unknown} */ (instance.exports));
  const sizes = [n * d, (n * d) / 2, 4 * n, 4 * n, 2 * d, 4 * n];
  const [hi, lo, multipliers, bias, query, found] = sizes.map((size) => {
    const address = reserve(size);
    if (!address) throw new Error(`this browser gives the page no memory for ${n} repositories`);
    return address;
  });
  const plane = (/** @type {number} */ address, /** @type {number} */ size) =>
    new Uint8Array(/** @type {ArrayBuffer} */ (memory.buffer), address, size);
  return {
    name: "wasm",
    get bytes() {
      return memory.buffer.byteLength;
    },
    hi: () => plane(hi, n * d),
    lo: () => plane(lo, (n * d) / 2),
    index: () => index(hi, n, d, SCALE, multipliers),
    scan(wantedQuery, wanted, added) {
      new Int16Array(memory.buffer, query, d).set(wantedQuery);
      if (added) new Float32Array(memory.buffer, bias, n).set(added);
      if (!scan(hi, multipliers, added ? bias : 0, n, d, query, wanted, found)) throw new Error("out of memory");
      return new Uint32Array(memory.buffer, found, wanted).slice();
    },
  };
}

/**
 * @param {number} n
 * @param {number} d
 * @returns {Kernel}
 */
export function javascriptKernel(n, d) {
  const hi = new Int8Array(n * d);
  const lo = new Uint8Array((n * d) / 2);
  const multipliers = new Float32Array(n);
  return {
    name: "javascript",
    bytes: hi.byteLength + lo.byteLength + multipliers.byteLength,
    hi: () => new Uint8Array(hi.buffer),
    lo: () => lo,
    index() {
      for (let i = 0; i < n; i++) {
        let squares = 0;
        for (let j = i * d; j < (i + 1) * d; j++) squares += hi[j] * hi[j];
        multipliers[i] = squares ? 1 / Math.sqrt(squares) / SCALE : 0;
      }
    },
    scan(query, wanted, bias) {
      const best = new Best(wanted);
      for (let i = 0, at = 0; i < n; i++) {
        let a = 0;
        let b = 0;
        for (let j = 0; j < d; j += 2, at += 2) {
          a = (a + hi[at] * query[j]) | 0;
          b = (b + hi[at + 1] * query[j + 1]) | 0;
        }
        const score = Math.fround(Math.fround((a + b) | 0) * multipliers[i]);
        best.offer(bias ? Math.fround(score + bias[i]) : score, i);
      }
      return best.rows();
    },
  };
}

/** The `size` greatest of many scores: a heap with the least of them on top. */
class Best {
  /** @param {number} size */
  constructor(size) {
    this.size = size;
    this.count = 0;
    this.scores = new Float32Array(size);
    this.found = new Uint32Array(size);
  }

  /** @param {number} score @param {number} row */
  offer(score, row) {
    if (this.count < this.size) {
      let at = this.count++;
      for (let above = (at - 1) >> 1; at && this.scores[above] > score; at = above, above = (at - 1) >> 1) this.#move(above, at);
      this.#put(at, score, row);
    } else if (score > this.scores[0]) {
      let at = 0;
      for (let below = 1; below < this.size; below = 2 * at + 1) {
        if (below + 1 < this.size && this.scores[below + 1] < this.scores[below]) below++;
        if (this.scores[below] >= score) break;
        this.#move(below, at);
        at = below;
      }
      this.#put(at, score, row);
    }
  }

  rows() {
    const order = Array.from(this.scores.keys()).sort((a, b) => this.scores[b] - this.scores[a] || this.found[a] - this.found[b]);
    return Uint32Array.from(order, (at) => this.found[at]);
  }

  /** @param {number} from @param {number} to */
  #move(from, to) {
    this.#put(to, this.scores[from], this.found[from]);
  }

  /** @param {number} at @param {number} score @param {number} row */
  #put(at, score, row) {
    this.scores[at] = score;
    this.found[at] = row;
  }
}
