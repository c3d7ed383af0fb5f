// The index of words: which repositories have a word, and what it adds to the place of a query. The files words.index
// and words.text are written by starvec_assets/export/text_index_file.py, which describes them.

import { asFiniteNumber, asInteger, asObject, assert, BundleError } from "./validate.js";

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
  /** @type {Map<string, number>} */
  #numbers;
  /** How many texts have each word. */
  #frequencies;
  /** Gaps between the rows of each word, as varints. */
  #gaps;
  /** Where the gaps of each word begin, and where they end. */
  #gapStarts;
  #counts;
  /** Where the counts of each word begin. */
  #countStarts;

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
    const words = new TextDecoder().decode(reader.bytes("word_bytes")).split("\n");
    this.#numbers = new Map(words.map((word, number) => [word, number]));
    assert(this.#numbers.size === reader.words && words.length === reader.words, "words.index repeats a word.");
    this.#frequencies = new Uint32Array(reader.copy(4 * reader.words));
    this.vectors = reader.vectors(d);
    this.lengths = new Uint16Array(reader.copy(2 * n));
    this.#gaps = reader.bytes("gap_bytes");
    this.#counts = reader.rest();
    this.n = n;
    this.meanLength = this.lengths.reduce((sum, length) => sum + length, 0) / n;
    this.#countStarts = new Uint32Array(words.length + 1);
    for (const [word, frequency] of this.#frequencies.entries())
      this.#countStarts[word + 1] = this.#countStarts[word] + Math.min(frequency, n + 1);
    assert(this.#countStarts[words.length] === this.#counts.length, "words.index has postings of no word.");
    this.#gapStarts = this.#checkedStarts();
  }

  /** Number of a word, undefined if it is unknown. @param {string} word */
  number(word) {
    return this.#numbers.get(word);
  }

  /** Numbers of the distinct words that are known, ascending. @param {string[]} words */
  numbers(words) {
    const known = words.map((word) => this.#numbers.get(word)).filter((number) => number !== undefined);
    return [...new Set(known)].sort((a, b) => a - b);
  }

  /** @param {number} word @returns {Postings} */
  postings(word) {
    const counts = this.#counts.subarray(this.#countStarts[word], this.#countStarts[word + 1]);
    const rows = new Int32Array(counts.length);
    const gaps = this.#gaps;
    let at = this.#gapStarts[word];
    for (let i = 0, row = -1; i < rows.length; i++) {
      let byte = gaps[at++];
      let gap = byte & 127;
      for (let shift = 7; byte > 127; shift += 7) {
        byte = gaps[at++];
        gap |= (byte & 127) << shift;
      }
      row += gap + 1;
      rows[i] = row;
    }
    return { rows, counts };
  }

  /** The starts of the words' gaps, after a check that each word's rows are rows of the model. */
  #checkedStarts() {
    const gaps = this.#gaps;
    const starts = new Uint32Array(this.#frequencies.length + 1);
    let at = 0;
    for (const [word, frequency] of this.#frequencies.entries()) {
      starts[word] = at;
      let row = -1;
      for (let i = 0; i < frequency; i++) {
        let gap = 0;
        let shift = 0;
        let byte;
        do {
          byte = gaps[at++];
          gap |= (byte & 127) << shift;
          shift += 7;
        } while (byte > 127 && shift < 28);
        row += gap + 1;
        assert(byte < 128 && row < this.n, "words.index has a row that is not there.");
      }
    }
    assert(at === gaps.length, "words.index has gaps of no word.");
    starts[this.#frequencies.length] = at;
    return starts;
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
  const vectors = reader.vectors(d);
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

  /** A copy of the next bytes, whose address suits any array. @param {number} size */
  copy(size) {
    return this.#next(size).slice().buffer;
  }

  /** The next section: scales and vectors of words. @param {number} d */
  vectors(d) {
    const scales = new Float32Array(this.copy(4 * this.words));
    assert(
      scales.every((scale) => scale >= 0 && scale < Infinity),
      `${this.#name}: a word's scale is not a number.`,
    );
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
