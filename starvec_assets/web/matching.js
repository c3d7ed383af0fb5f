// Rules that match people with repositories and with each other. The Python counterpart, which says where they come from, is
// starvec_assets/matching.py.

import { dot, unitVector } from "./engine/vectors.js";

/** @import { Prototypes } from "./engine/prototypes.js" */
/**
 * @typedef {object} Interests
 * @property {Float32Array[]} directions unit vectors
 * @property {number[]} weights of each of them, above 0
 */

/** How the stars that a person will give grow with those given. */
const STARS_EXPONENT = 0.8;
/** Weight of a person's vector as the only prototype, where a link has no others. */
const MEAN_WEIGHT = 0.3;

/**
 * Interests of a person of whom prototypes are known, or only the vector.
 * @param {{vector: Float32Array, prototypes?: Prototypes}} person
 * @returns {Interests}
 */
export function interestsOf({ vector, prototypes }) {
  if (!prototypes) return { directions: [vector], weights: [MEAN_WEIGHT] };
  const d = vector.length;
  const used = [...prototypes.weights.keys()].filter((i) => prototypes.weights[i] > 0);
  return {
    directions: used.map((i) => unitVector(prototypes.vectors.subarray(i * d, (i + 1) * d))),
    weights: used.map((i) => prototypes.weights[i]),
  };
}

/**
 * What each of a person's interests contributes to `closeness`.
 * @param {Interests} interests
 * @param {Float32Array} direction unit vector
 */
export const contributions = ({ directions, weights }, direction) =>
  directions.map((one, i) => weights[i] * Math.max(0, dot(one, direction)) ** 2);

/**
 * How near a person's stars are to a direction: about the mean of max(0, cosine)² over them.
 * @param {Interests} interests
 * @param {Float32Array} direction unit vector
 */
export const closeness = (interests, direction) => sum(contributions(interests, direction));

/**
 * How much a person may star a repository; for an order of people, not of repositories.
 * @param {Interests} interests
 * @param {number} stars that the person has given
 * @param {Float32Array} repository unit vector
 */
export const wouldStar = (interests, stars, repository) => closeness(interests, repository) * stars ** STARS_EXPONENT;

/**
 * How much of each interest of a person another has, weighted: `sharedInterests` is their sum divided by that of the weights.
 * @param {Interests} own
 * @param {Interests} other
 */
export const sharedParts = (own, other) =>
  own.directions.map(
    (direction, i) => own.weights[i] * Math.min(1, closeness(other, direction) / closeness(own, direction)),
  );

/**
 * Share of a person's interests that another has, 0 to 1; 0 without interests.
 * @param {Interests} own
 * @param {Interests} other
 */
export const sharedInterests = (own, other) => sum(sharedParts(own, other)) / (sum(own.weights) || 1);

/**
 * How much another has what a person looks for, and the person's interests, 0 to 1.
 * @param {Interests} own
 * @param {Interests} other
 * @param {Float32Array} wish unit vector
 */
export const hasWish = (own, other, wish) => Math.sqrt(sharedInterests(own, other) * Math.sqrt(closeness(other, wish)));

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
