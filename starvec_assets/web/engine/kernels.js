// Search kernels, which hold the planes and scan them: WebAssembly with SIMD, and plain JavaScript. Both return the
// same rows: integers are exact, and everything else is rounded to float32 at the same steps.

/** Length of an int16 query; its products with int8 rows stay within int32 at any dimension. */
const QUERY_SCALE = 32000;

/**
 * @typedef {object} Kernel
 * @property {"wasm" | "javascript"} name
 * @property {number} bytes memory taken, in bytes
 * @property {number} rows how many rows, the first ones, are searched; 0 at first
 * @property {() => Uint8Array<ArrayBuffer>} hi the int8 plane [n * d], to fill and to read; invalid after an await
 * @property {() => Uint8Array<ArrayBuffer>} lo the residual plane [n * d / 2]
 * @property {(rows: number) => void} setRows must be called when the int8 plane is filled up to row `rows`; with fewer
 *   rows than before, the rest is forgotten
 * @property {(query: Int16Array, rows: number, k: number, bias: Float32Array | null) => Uint32Array} scan the k of the
 *   first `rows` rows, at most those that were set, with the highest scores, best first; a bias is of so many or more
 * @property {(d: number) => Plane} addPlane memory for another int8 plane of n rows, of d dimensions
 *
 * @typedef {object} Plane
 * @property {() => Uint8Array<ArrayBuffer>} bytes the plane [n * d], to fill and to read; invalid after an await
 * @property {() => void} computeMultipliers must be called once the plane is filled
 * @property {(query: Int16Array) => Float32Array} cosines of all rows, [n]; 0 for a zero row
 */

/**
 * An int16 query for the kernels.
 * @param {Float32Array} unit [d]
 */
export const integerQuery = (unit) => Int16Array.from(unit, (x) => Math.round(x * QUERY_SCALE));

/**
 * The fastest kernel that this browser can run.
 * @param {BufferSource | null} module search.wasm, null for a page without it
 * @param {number} n
 * @param {number} d
 * @returns {Promise<Kernel>}
 */
export async function createKernel(module, n, d) {
  if (!module || !globalThis.WebAssembly?.validate(module)) return javascriptKernel(n, d);
  try {
    return await wasmKernel(module, n, d);
  } catch (error) {
    // A Content-Security-Policy may forbid it although it is there.
    if (error instanceof WebAssembly.CompileError) return javascriptKernel(n, d);
    throw error;
  }
}

/**
 * @typedef {object} WasmExports of core/search.cpp
 * @property {WebAssembly.Memory} memory
 * @property {(bytes: number) => number} reserve
 * @property {(rows: number, n: number, d: number, scale: number, multipliers: number) => void} index
 * @property {(rows: number, multipliers: number, n: number, d: number, query: number, result: number) => void} cosines
 * @property {(rows: number, multipliers: number, bias: number, n: number, d: number, query: number, k: number, result: number) => number} scan
 */

/**
 * @param {BufferSource} module
 * @param {number} n
 * @param {number} d
 * @returns {Promise<Kernel>}
 */
async function wasmKernel(module, n, d) {
  const { instance } = await WebAssembly.instantiate(module);
  const { memory, reserve, index, cosines, scan } = /** @type {WasmExports} */ (
    /** @type {unknown} */ (instance.exports)
  );
  const given = (/** @type {number} */ address) => {
    if (!address) throw new Error(`this browser gives the page no memory for ${n} repositories`);
    return address;
  };
  const allocate = (/** @type {number[]} */ sizes) => sizes.map((size) => given(reserve(size)));
  const sizes = [n * d, (n * d) / 2, 4 * n, 4 * n, 2 * d];
  const [hiAddress, loAddress, multipliers, biasAddress, queryAddress] = allocate(sizes);
  const result = biasAddress; // the bias is read before results are written
  // The scratch space of a scan is never freed: once for all rows, not anew whenever more of them have come.
  given(scan(hiAddress, multipliers, 0, n, d, queryAddress, 1, result));
  const plane = (/** @type {number} */ address, /** @type {number} */ size) =>
    new Uint8Array(/** @type {ArrayBuffer} */ (memory.buffer), address, size);
  let rows = 0;
  return {
    name: "wasm",
    get rows() {
      return rows;
    },
    get bytes() {
      return memory.buffer.byteLength;
    },
    hi: () => plane(hiAddress, n * d),
    lo: () => plane(loAddress, (n * d) / 2),
    setRows(filled) {
      if (filled > rows) index(hiAddress + rows * d, filled - rows, d, QUERY_SCALE, multipliers + 4 * rows);
      rows = filled;
    },
    scan(query, searched, k, bias) {
      new Int16Array(memory.buffer, queryAddress, d).set(query);
      if (bias) new Float32Array(memory.buffer, biasAddress, n).set(bias);
      if (!scan(hiAddress, multipliers, bias ? biasAddress : 0, searched, d, queryAddress, k, result))
        throw new Error("out of memory");
      return new Uint32Array(memory.buffer, result, k).slice();
    },
    addPlane(width) {
      const [rows, scales, planeQuery] = allocate([n * width, 4 * n, 2 * width]);
      return {
        bytes: () => plane(rows, n * width),
        computeMultipliers: () => index(rows, n, width, QUERY_SCALE, scales),
        cosines(query) {
          new Int16Array(memory.buffer, planeQuery, width).set(query);
          cosines(rows, scales, n, width, planeQuery, result);
          return new Float32Array(memory.buffer, result, n).slice();
        },
      };
    },
  };
}

/**
 * @param {number} n
 * @param {number} d
 * @returns {Kernel}
 */
export function javascriptKernel(n, d) {
  const hi = javascriptPlane(n, d);
  const lo = new Uint8Array((n * d) / 2);
  let bytes = hi.size + lo.byteLength;
  let rows = 0;
  return {
    name: "javascript",
    get rows() {
      return rows;
    },
    get bytes() {
      return bytes;
    },
    hi: hi.bytes,
    lo: () => lo,
    setRows(filled) {
      hi.computeMultipliers(rows, filled);
      rows = filled;
    },
    scan(query, searched, k, bias) {
      const best = new TopK(k);
      for (let i = 0; i < searched; i++) {
        const score = hi.cosine(i, query);
        best.push(bias ? Math.fround(score + bias[i]) : score, i);
      }
      return best.rows();
    },
    addPlane(width) {
      const plane = javascriptPlane(n, width);
      bytes += plane.size;
      return {
        bytes: plane.bytes,
        computeMultipliers: () => plane.computeMultipliers(0, n),
        cosines(query) {
          const cosines = new Float32Array(n);
          for (let i = 0; i < n; i++) cosines[i] = plane.cosine(i, query);
          return cosines;
        },
      };
    },
  };
}

/**
 * @param {number} n
 * @param {number} d
 */
function javascriptPlane(n, d) {
  const rows = new Int8Array(n * d);
  const multipliers = new Float32Array(n);
  return {
    size: rows.byteLength + multipliers.byteLength,
    bytes: () => new Uint8Array(rows.buffer),
    /**
     * @param {number} start
     * @param {number} end
     */
    computeMultipliers(start, end) {
      for (let i = start; i < end; i++) {
        let squares = 0;
        for (let j = i * d; j < (i + 1) * d; j++) squares += rows[j] * rows[j];
        multipliers[i] = squares ? 1 / Math.sqrt(squares) / QUERY_SCALE : 0;
      }
    },
    /**
     * @param {number} i
     * @param {Int16Array} query
     */
    cosine(i, query) {
      let a = 0;
      let b = 0;
      for (let j = 0, at = i * d; j < d; j += 2, at += 2) {
        a = (a + rows[at] * query[j]) | 0;
        b = (b + rows[at + 1] * query[j + 1]) | 0;
      }
      return Math.fround(Math.fround((a + b) | 0) * multipliers[i]);
    },
  };
}

/** The `size` highest of many scores, in a heap with the lowest of them on top. */
class TopK {
  /** @param {number} size */
  constructor(size) {
    this.size = size;
    this.count = 0;
    this.scores = new Float32Array(size);
    this.indices = new Uint32Array(size);
  }

  /**
   * @param {number} score
   * @param {number} row
   */
  push(score, row) {
    if (this.count < this.size) {
      let at = this.count++;
      for (let parent = (at - 1) >> 1; at && this.scores[parent] > score; parent = (at - 1) >> 1) {
        this.#move(parent, at);
        at = parent;
      }
      this.#put(at, score, row);
    } else if (score > this.scores[0]) {
      let at = 0;
      for (let child = 1; child < this.size; child = 2 * at + 1) {
        if (child + 1 < this.size && this.scores[child + 1] < this.scores[child]) child++;
        if (this.scores[child] >= score) break;
        this.#move(child, at);
        at = child;
      }
      this.#put(at, score, row);
    }
  }

  /** Best first; ties in the order of rows. */
  rows() {
    const order = Array.from(this.scores.keys()).sort(
      (a, b) => this.scores[b] - this.scores[a] || this.indices[a] - this.indices[b],
    );
    return Uint32Array.from(order, (at) => this.indices[at]);
  }

  /**
   * @param {number} from
   * @param {number} to
   */
  #move(from, to) {
    this.#put(to, this.scores[from], this.indices[from]);
  }

  /**
   * @param {number} at
   * @param {number} score
   * @param {number} row
   */
  #put(at, score, row) {
    this.scores[at] = score;
    this.indices[at] = row;
  }
}
