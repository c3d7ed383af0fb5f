// At most eight directions that stand for everything a person starred. The Python counterpart, which describes the method,
// is starvec_assets/prototypes.py.

import { dot } from "./vectors.js";

/**
 * @typedef {object} Prototypes
 * @property {Int8Array} vectors [PROTOTYPES * d], of which only the directions matter; zeros where unused
 * @property {Float32Array} weights [PROTOTYPES]: a cluster's share of the stars times the length of their mean
 */

/** Prototypes of a person. */
export const PROTOTYPES = 8;
const ITERATIONS = 20;

/**
 * Prototypes of a person, by spherical k-means.
 * @param {Float32Array} rows [m * d]: vectors of the stars, each of length one or zero
 * @param {number} d
 * @returns {Prototypes & {sizes: Uint32Array}} `sizes` [PROTOTYPES]: stars of each cluster
 */
export function findPrototypes(rows, d) {
  const m = rows.length / d;
  const stars = Array.from({ length: m }, (_, i) => rows.subarray(i * d, (i + 1) * d)).filter((star) =>
    star.some(Boolean),
  );
  const vectors = new Int8Array(PROTOTYPES * d);
  const weights = new Float32Array(PROTOTYPES);
  const sizes = new Uint32Array(PROTOTYPES);
  for (const [i, members] of clusters(stars, d).entries()) {
    const mean = meanOf(members, d);
    const largest = mean.reduce((most, value) => Math.max(most, Math.abs(value)), 0) || 1;
    const length = Math.sqrt(dot(mean, mean));
    sizes[i] = members.length;
    weights[i] = (members.length / m) * length;
    for (let j = 0; j < d; j++) vectors[i * d + j] = Math.round((mean[j] * 127) / largest);
  }
  return { vectors, weights, sizes };
}

/**
 * The members of at most PROTOTYPES clusters of unit vectors. Begins with the one nearest to the mean and then with the
 * one that is farthest from those chosen.
 * @param {Float32Array[]} stars
 * @param {number} d
 */
function clusters(stars, d) {
  if (!stars.length) return [];
  const chosen = [indexOfHighest(cosines(stars, meanOf(stars, d)))];
  const nearest = cosines(stars, stars[chosen[0]]);
  while (chosen.length < Math.min(PROTOTYPES, stars.length)) {
    chosen.push(indexOfHighest(nearest.map((cosine) => -cosine)));
    const added = cosines(stars, stars[chosen[chosen.length - 1]]);
    for (let i = 0; i < nearest.length; i++) nearest[i] = Math.max(nearest[i], added[i]);
  }
  /** @type {ArrayLike<number>[]} */
  let centres = chosen.map((i) => stars[i]);
  /** @type {Float32Array[][]} */
  let members = [];
  /** @type {number[]} */
  let labels = [];
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const before = labels;
    const lengths = centres.map((centre) => Math.sqrt(dot(centre, centre)) || 1);
    labels = stars.map((star) => indexOfHighest(centres.map((centre, i) => dot(star, centre) / lengths[i])));
    if (labels.every((label, i) => label === before[i])) break;
    members = centres.map((_, number) => stars.filter((_, i) => labels[i] === number));
    centres = members.map((cluster) => meanOf(cluster, d));
  }
  return members;
}

/**
 * Dot product of each of `stars` and `direction`.
 * @param {Float32Array[]} stars
 * @param {ArrayLike<number>} direction
 */
const cosines = (stars, direction) => Float64Array.from(stars, (star) => dot(star, direction));

/**
 * Mean of vectors; zeros without any.
 * @param {Float32Array[]} stars
 * @param {number} d
 */
function meanOf(stars, d) {
  const sum = new Float64Array(d);
  for (const star of stars) for (let j = 0; j < d; j++) sum[j] += star[j];
  return sum.map((value) => value / (stars.length || 1));
}

/** Index of the first highest number. @param {ArrayLike<number>} numbers */
function indexOfHighest(numbers) {
  let best = 0;
  for (let i = 1; i < numbers.length; i++) if (numbers[i] > numbers[best]) best = i;
  return best;
}
