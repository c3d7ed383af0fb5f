// Search by words: one bias for each row, made of BM25, fame and the text's cosine, and a search with it. The Python
// counterparts are text_search/search.py and bm25.py: both compute in the same order and give the same rows.

import { search } from "./search.js";
import { tokenize, tokenizeQuery } from "./tokenizer.js";

/** @import { Kernel } from "./kernels.js" */
/** @import { FusionWeights, Postings, TextIndex, WordVectors } from "./text_index.js" */
/** @import { TextPlane } from "./text_plane.js" */

/**
 * @typedef {object} TextSearchResult
 * @property {Uint32Array} rows best first
 * @property {Float32Array} scores cosine + bias
 * @property {string[][]} words those of the query that each row's text has, as typed, in lower case
 * @property {string[]} unknown those of the query that no text has
 * @property {number} searched how many rows were searched, the most starred ones
 * @property {boolean} exact whether both planes of the vectors were used
 * @property {boolean} withText whether the vectors of the texts were used
 */

/**
 * The `k` best of the allowed rows, best first; equal scores in the order of rows. Nothing is found when no word of the
 * query is known.
 * @param {Kernel} kernel
 * @param {TextIndex} index
 * @param {{plane: TextPlane, words: WordVectors} | null} text null where the vectors of the texts are not at hand
 * @param {string} query
 * @param {number} k
 * @param {Uint8Array | null} allowed [n]; 0 excludes a row
 * @param {boolean} exact whether the residual plane is loaded
 * @returns {TextSearchResult}
 */
export function searchText(kernel, index, text, query, k, allowed, exact) {
  const typed = new Map(tokenizeQuery(query).map(({ part, words }) => [part.toLowerCase(), index.numbers(words)]));
  const unknown = [...typed].filter(([, numbers]) => !numbers.length).map(([part]) => part);
  const result = { unknown, searched: kernel.rows, exact, withText: text !== null };
  const words = index.numbers(tokenize(query));
  if (!words.length) return { rows: new Uint32Array(0), scores: new Float32Array(0), words: [], ...result };
  const postings = new Map(words.map((word) => [word, index.postings(word)]));
  const scores = bm25Scores(index, postings);
  const bias = fuse(
    scores,
    text ? text.plane.cosines(text.words.sum(words)) : null,
    text ? index.weights.withText : index.weights.withoutText,
    allowed,
  );
  const found = search(kernel, index.n, index.vectors.d, index.vectors.sum(words), k, bias, exact);
  const has = (/** @type {number} */ word, /** @type {number} */ row) =>
    includes(/** @type {Postings} */ (postings.get(word)).rows, row);
  return {
    rows: found.indices,
    scores: found.scores,
    words: Array.from(found.indices, (row) =>
      [...typed].filter(([, numbers]) => numbers.some((word) => has(word, row))).map(([part]) => part),
    ),
    ...result,
  };
}

/**
 * BM25 of every row, [n]: the sum over words, in their order.
 * @param {TextIndex} index
 * @param {Map<number, Postings>} postings of words, by number
 */
function bm25Scores(index, postings) {
  const { n, lengths, meanLength, weights } = index;
  const { k1, b } = weights;
  const scores = new Float64Array(n);
  for (const { rows, counts } of postings.values()) {
    const frequency = Math.fround(Math.log(1 + (n - rows.length + 0.5) / (rows.length + 0.5)));
    for (let i = 0; i < rows.length; i++) {
      const [row, count] = [rows[i], counts[i]];
      scores[row] += (frequency * (count * (k1 + 1))) / (count + k1 * (1 - b + (b * lengths[row]) / meanLength));
    }
  }
  return scores;
}

/**
 * What is added to the cosines of the trained vectors, [n].
 * @param {Float64Array} scores by words
 * @param {Float32Array | null} textCosines
 * @param {FusionWeights} weights
 * @param {Uint8Array | null} allowed
 */
function fuse(scores, textCosines, weights, allowed) {
  const n = scores.length;
  let best = 0;
  for (let row = 0; row < n; row++) if (scores[row] > best) best = scores[row];
  const bias = new Float32Array(n);
  for (let row = 0; row < n; row++) {
    if (allowed && !allowed[row]) bias[row] = -Infinity;
    else {
      const added = weights.words * (scores[row] / (best || 1)) - weights.fame * Math.sqrt(row / n);
      bias[row] = textCosines ? added + weights.text * textCosines[row] : added;
    }
  }
  return bias;
}

/**
 * Whether an ascending array holds a value.
 * @param {Int32Array} values
 * @param {number} wanted
 */
function includes(values, wanted) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  return values[low] === wanted;
}
