// Vectors of people and of baskets, and why a repository is near to a person, in the worker: a person may have starred
// thousands of repositories.

import { search, unitRows } from "./search.js";
import { dot, fameWeights, userVector } from "./vectors.js";

/** @import { Kernel } from "./kernels.js" */
/** @import { SearchResult } from "./search.js" */
/** @import { TextPlane } from "./text_plane.js" */

/**
 * @typedef {object} Vectors the planes and what is asked of them
 * @property {Kernel} kernel
 * @property {number} n
 * @property {number} d
 * @property {boolean} exact whether the residual plane is loaded
 *
 * @typedef {object} Basket
 * @property {ArrayLike<number>} plus rows, at least one
 * @property {ArrayLike<number>} minus rows
 * @property {number} purpose from -1, starred by the same people, to 1, of the same purpose
 */

/**
 * Vector [d] of a person who starred `rows` of the vocabulary.
 * @param {Vectors} vectors
 * @param {Uint32Array} rows
 * @param {Uint32Array} stars [n]
 * @param {number} famePower of the model's rule
 */
export function personVector({ kernel, n, d, exact }, rows, stars, famePower) {
  return userVector(unitRows(kernel, n, d, rows, exact), starWeights(rows, stars, famePower), d);
}

/**
 * Standard error of the cosine of a person who starred `rows` to each of `directions`, if the stars are a sample of what
 * the person likes; null for a single star. The delta method: a cosine is a smooth function of the mean of the stars, and
 * its variance the sum of the squares of what each star moves it by (the infinitesimal jackknife).
 * @param {Vectors} vectors
 * @param {Uint32Array} rows
 * @param {Float32Array[]} directions unit vectors
 * @param {Uint32Array} stars [n]
 * @param {number} famePower
 * @returns {number[] | null}
 */
export function cosineErrors({ kernel, n, d, exact }, rows, directions, stars, famePower) {
  const k = rows.length;
  if (k < 2) return null;
  const vectors = unitRows(kernel, n, d, rows, exact);
  const weights = starWeights(rows, stars, famePower);
  const person = userVector(vectors, weights, d);
  const rowOf = (/** @type {number} */ i) => vectors.subarray(i * d, (i + 1) * d);
  const along = Array.from(rows, (_, i) => dot(rowOf(i), person));
  const length = along.reduce((sum, cosine, i) => sum + weights[i] * cosine, 0); // of the weighted sum, as `person` is a unit
  return directions.map((direction) => {
    const cosine = dot(person, direction);
    const moved = along.map((x, i) => (weights[i] * (dot(rowOf(i), direction) - cosine * x)) / length);
    return Math.sqrt((moved.reduce((sum, x) => sum + x * x, 0) * k) / (k - 1));
  });
}

/**
 * Weight of each star in the mean of a person.
 * @param {Uint32Array} rows
 * @param {Uint32Array} stars [n]
 * @param {number} famePower
 */
const starWeights = (rows, stars, famePower) =>
  fameWeights(
    rows.map((row) => stars[row]),
    famePower,
  );

/**
 * For each recommended row, the `k` starred rows nearest to it by cosine, nearest first: benchmarks/matching.py shows that
 * their weights in the person's vector name worse reasons.
 * @param {Vectors} vectors
 * @param {Uint32Array} starred
 * @param {Uint32Array} recommended
 * @param {number} k
 * @returns {number[][]}
 */
export function topContributors({ kernel, n, d, exact }, starred, recommended, k) {
  const [sources, targets] = [starred, recommended].map((rows) => unitRows(kernel, n, d, rows, exact));
  return Array.from(recommended, (_, i) => {
    const target = targets.subarray(i * d, (i + 1) * d);
    return Array.from(starred, (row, j) => ({
      row,
      cosine: dot(sources.subarray(j * d, (j + 1) * d), target),
    }))
      .sort((a, b) => b.cosine - a.cosine)
      .slice(0, k)
      .filter(({ cosine }) => cosine > 0)
      .map(({ row }) => row);
  });
}

/**
 * Weights of a basket's rows, those of `plus` first: the mean of `plus` less half the mean of `minus`.
 * @param {Basket} basket
 */
function basketWeights({ plus, minus }) {
  const rows = Uint32Array.from([...Array.from(plus), ...Array.from(minus)]);
  const weights = Float32Array.from(rows, (_, i) => (i < plus.length ? 1 / plus.length : -0.5 / minus.length));
  return { rows, weights };
}

/**
 * Repositories like those of a basket. Cosines of vectors and of texts are mixed as by Space.similar in
 * space/space.py.
 * @param {Vectors} vectors
 * @param {Basket} basket
 * @param {number} k
 * @param {Float32Array | null} bias [n] that excludes rows
 * @param {TextPlane | null} text null where the dial is in its middle
 * @param {{samePeople: number, samePurpose: number}} textWeights of the model
 * @returns {SearchResult}
 */
export function searchBasket({ kernel, n, d, exact }, basket, k, bias, text, textWeights) {
  const { rows, weights } = basketWeights(basket);
  const query = userVector(unitRows(kernel, n, d, rows, exact), weights, d);
  if (!text) return search(kernel, n, d, query, k, bias, exact);
  const { purpose } = basket;
  const textWeight = Math.abs(purpose) * (purpose > 0 ? textWeights.samePurpose : textWeights.samePeople);
  const added = text.cosines(text.mean(rows, weights)).map((cosine, i) => textWeight * cosine + (bias ? bias[i] : 0));
  const found = search(kernel, n, d, query, k, added, exact);
  return { ...found, cosines: found.scores.map((score) => score / (1 + textWeight)) };
}
