// The index of words: which repositories have a word, and what it adds to the place of a query. The files words.index
// and words.text are written by starvec_assets/export/text_index_file.py, which describes them.

import { asFiniteNumber, asInteger, asObject, assert, BundleError } from "./validate.js";
import { Varints } from "./varints.js";

/**
 * @typedef {{words: number, fame: number, text: number}} FusionWeights
 * @typedef {{k1: number, b: number, withText: FusionWeights, withoutText: FusionWeights}} SearchWeights
 * @typedef {{rows: Int32Array, counts: Uint8Array}} Postings rows ascending that have a word, and how often each
 */

const FORMAT = 1;
const MAX_WORDS = 1_000_000;
const MAX_HEADER_BYTES = 10_000;

/** Vectors of words as int8 rows with a scale each; a word of scale 0 has none. */
export class WordVectors {
  /** Row of each word's vector. */
  #rowOf;

  /**
   * @param {Int8Array} rows [m * d]
   * @param {Float32Array} scales [words], m of them above 0
   * @param {number} d
   */
  constructor(rows, scales, d) {
    this.rows = rows;
    this.scales = scales;
    this.d = d;
    let next = 0;
    this.#rowOf = Uint32Array.from(scales, (scale) => (scale > 0 ? next++ : next));
    assert(rows.length === next * d, "The index of words has another number of vectors than of words.");
  }

  /**
   * Sum of the vectors of words, in the order given, [d]. The Python counterpart is `place` of text_search/search.py.
   * @param {number[]} words
   */
  sum(words) {
    const { rows, scales, d } = this;
    const sum = new Float64Array(d);
    for (const word of words) {
      const scale = scales[word];
      if (!scale) continue;
      for (let j = 0, at = this.#rowOf[word] * d; j < d; j++, at++) sum[j] += rows[at] * scale;
    }
    return Float32Array.from(sum);
  }
}

export class TextIndex {
  /** All words in UTF-8, a line each, ascending by byte. */
  #words;
  /** Where the line of each word begins, and where one more would. */
  #wordStarts;
  /** How many texts have each word. */
  #frequencies;
  /** Rows and counts of each word, as varints. */
  #postings;
  /** Where those of each word begin. */
  #postingStarts;

  /**
   * Parse words.index.
   * @param {ArrayBuffer} content inflated
   * @param {number} n rows of the model
   * @param {number} d
   * @throws {BundleError} if it is not an index of such a model
   */
  constructor(content, n, d) {
    const reader = new SectionReader(content, "words.index");
    const { header } = reader;
    assert(header.rows === n && header.d === d, "words.index is of another model: reload the page.");
    this.weights = asWeights(asObject(header.weights, "words.index: weights"));
    const scales = reader.scales();
    this.#frequencies = reader.numbers(Uint32Array, reader.words);
    this.lengths = reader.numbers(Uint16Array, n);
    this.vectors = reader.vectors(scales, d);
    this.#words = reader.bytes("word_bytes");
    this.#wordStarts = lineStarts(this.#words, reader.words);
    this.#postings = reader.rest();
    this.n = n;
    this.meanLength = this.lengths.reduce((sum, length) => sum + length, 0) / n;
    this.#postingStarts = this.#checkedStarts();
  }

  /** Numbers of the distinct words that are known, ascending. @param {string[]} words */
  numbers(words) {
    const known = [...new Set(words)].map((word) => this.#number(word)).filter((number) => number >= 0);
    return known.sort((a, b) => a - b);
  }

  /** Number of a word, -1 if it is unknown. Objects for the words of a large index would take 5 MB. @param {string} word */
  #number(word) {
    const line = new TextEncoder().encode(`${word}\n`);
    let low = 0;
    let high = this.#wordStarts.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = compareLines(this.#words, this.#wordStarts[middle], line, 0);
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /** @param {number} word @returns {Postings} */
  postings(word) {
    const frequency = this.#frequencies[word];
    const rows = new Int32Array(frequency);
    const counts = new Uint8Array(frequency).fill(1);
    const numbers = new Varints(this.#postings, this.#postingStarts[word]);
    for (let i = 0, row = -1; i < frequency; i++) {
      const number = numbers.next();
      row += (number >> 1) + 1;
      rows[i] = row;
      if (number & 1) counts[i] = numbers.next();
    }
    return { rows, counts };
  }

  /** Where the postings of each word begin, after a check that they are rows of the model. */
  #checkedStarts() {
    const starts = new Uint32Array(this.#frequencies.length);
    const numbers = new Varints(this.#postings, 0);
    for (const [word, frequency] of this.#frequencies.entries()) {
      starts[word] = numbers.at;
      assert(frequency <= this.n, "words.index has a word with more texts than there are.");
      for (let i = 0, row = -1; i < frequency; i++) {
        const number = numbers.next();
        row += (number >> 1) + 1;
        assert(row < this.n, "words.index has a row that is not there.");
        if (number & 1) assert(numbers.next() < 256, "words.index counts a word more than 255 times.");
      }
    }
    assert(numbers.at === this.#postings.length, "words.index has another number of postings than it says.");
    return starts;
  }
}

/**
 * Where each of `count` lines begins, and where one more would; the lines ascend.
 * @param {Uint8Array} text without a line feed at its end
 * @param {number} count
 */
function lineStarts(text, count) {
  const starts = new Uint32Array(count + 1);
  let line = 0;
  for (let at = 0; at <= text.length; at++) {
    if (at < text.length && text[at] !== 10) continue;
    assert(line < count, "words.index has more words than it says.");
    starts[++line] = at + 1;
    assert(
      line < 2 || compareLines(text, starts[line - 2], text, starts[line - 1]) < 0,
      "words.index has words that do not ascend.",
    );
  }
  assert(line === count, "words.index has fewer words than it says.");
  return starts;
}

/**
 * Below zero, zero or above as the line of `a` is before, equal to or after that of `b`. A line ends with a line feed, which
 * is below all characters of words, or with its text.
 * @param {Uint8Array} a
 * @param {number} i where the line begins
 * @param {Uint8Array} b
 * @param {number} j
 */
function compareLines(a, i, b, j) {
  for (;;) {
    const [x, y] = [a[i++] ?? 10, b[j++] ?? 10];
    if (x !== y || x === 10) return x - y;
  }
}

/**
 * Parse words.text.
 * @param {ArrayBuffer} content inflated
 * @param {number} d dimensions of the text's vectors
 * @throws {BundleError} if it is not of such a model
 */
export function parseTextWords(content, d) {
  const reader = new SectionReader(content, "words.text");
  assert(reader.header.d === d, "words.text is of another model: reload the page.");
  const vectors = reader.vectors(reader.scales(), d);
  assert(reader.rest().length === 0, "words.text is longer than its words.");
  return vectors;
}

/** Reads a header, a line of JSON, and the sections after it. */
class SectionReader {
  #content;
  #name;
  #at;

  /**
   * @param {ArrayBuffer} content
   * @param {string} name of the file
   */
  constructor(content, name) {
    this.#content = content;
    this.#name = name;
    const start = new Uint8Array(content, 0, Math.min(content.byteLength, MAX_HEADER_BYTES));
    this.#at = start.indexOf(10) + 1;
    /** @type {Record<string, unknown>} */
    this.header = asObject(parseJson(new TextDecoder().decode(start.subarray(0, this.#at)), name), name);
    assert(this.header.format === FORMAT, `${name} has a format that this page does not read: reload the page.`);
    this.words = asInteger(this.header.words, 1, MAX_WORDS, `${name}: words`);
  }

  /** The next bytes, as many as a field of the header says. @param {string} field */
  bytes(field) {
    return this.#next(asInteger(this.header[field], 0, 2 ** 30, `${this.#name}: ${field}`));
  }

  /**
   * The next numbers, without a copy.
   * @template T
   * @param {{new (buffer: ArrayBuffer, at: number, length: number): T, BYTES_PER_ELEMENT: number}} type
   * @param {number} count
   */
  numbers(type, count) {
    const { byteOffset } = this.#next(count * type.BYTES_PER_ELEMENT);
    assert(byteOffset % type.BYTES_PER_ELEMENT === 0, `${this.#name} has a header that is not padded.`);
    return new type(this.#content, byteOffset, count);
  }

  /** The next section: scales of words. */
  scales() {
    const scales = this.numbers(Float32Array, this.words);
    assert(
      scales.every((scale) => scale >= 0 && scale < Infinity),
      `${this.#name}: a word's scale is not a number.`,
    );
    return scales;
  }

  /**
   * The next section: vectors of the words that have one.
   * @param {Float32Array} scales
   * @param {number} d
   */
  vectors(scales, d) {
    const rows = this.#next(d * scales.reduce((count, scale) => count + (scale > 0 ? 1 : 0), 0));
    return new WordVectors(new Int8Array(rows.buffer, rows.byteOffset, rows.length), scales, d);
  }

  /** All bytes that are left. */
  rest() {
    return this.#next(this.#content.byteLength - this.#at);
  }

  /** @param {number} size */
  #next(size) {
    assert(this.#at + size <= this.#content.byteLength, `${this.#name} was cut off: reload the page.`);
    this.#at += size;
    return new Uint8Array(this.#content, this.#at - size, size);
  }
}

/**
 * @param {string} text
 * @param {string} name
 */
function parseJson(text, name) {
  try {
    return JSON.parse(text);
  } catch {
    throw new BundleError(`${name} does not begin with a header: reload the page.`);
  }
}

/**
 * @param {Record<string, unknown>} weights
 * @returns {SearchWeights}
 */
function asWeights(weights) {
  const number = (/** @type {Record<string, unknown>} */ object, /** @type {string} */ name) =>
    asFiniteNumber(object[name], `words.index: ${name}`);
  const fusion = (/** @type {string} */ name) => {
    const fused = asObject(weights[name], `words.index: ${name}`);
    return { words: number(fused, "words"), fame: number(fused, "fame"), text: number(fused, "text") };
  };
  return {
    k1: number(weights, "k1"),
    b: number(weights, "b"),
    withText: fusion("with_text"),
    withoutText: fusion("without_text"),
  };
}
