// Scores of a person: skills, matches, nearness to a text and what is recommended. The Python counterparts are StarBins in
// profiles/star_bins.py, percentile and direction_percentiles in profiles/quantiles.py, PeopleMixture in
// profiles/people_mixture.py and user_vectors in vectors.py.

import { dot } from "./engine/vectors.js";
import { closeness, interestsOf } from "./matching.js";

/** @import { Model, People } from "./engine/model.js" */
/** @import { Prototypes } from "./engine/prototypes.js" */
/** @import { StarList } from "./github.js" */

/**
 * @typedef {object} Person
 * @property {"self" | "developer" | "shared"} kind
 * @property {string} login "" where a shared link leaves it out
 * @property {string} name to show
 * @property {Float32Array} vector unit vector
 * @property {() => Promise<void>} [refine] computes `vector` from what has arrived by now, where it is made of own stars
 * @property {number} [arrived] of how many of the stars that is
 * @property {Uint32Array} starred rows of all starred repositories that are known; empty unless kind is "self"
 * @property {number} starsUsed how many stars `vector` is the mean of
 * @property {boolean} [starsUnknown] true of a link that does not say how many; `starsUsed` is then in the middle bin
 * @property {Prototypes} [prototypes] where they are known: of developers, of cards, and once made of the own stars
 * @property {StarList | null} stars as GitHub returned them
 * @property {string} [card] that the current user made in this tab
 */

/** Standard deviations on either side of the mean within which 80 % of a normal distribution lie. */
const CENTRAL_80 = 1.2816;

/** Cosines in tables of quantiles are multiplied by this. */
const COSINE_SCALE = 32767;

/**
 * Bin of people with `stars`; the first bin also for those with fewer than anybody in the data.
 * @param {People} people
 * @param {number} stars
 */
const starBin = ({ lowestStars }, stars) => lowestStars.slice(1).filter((lowest) => lowest <= stars).length;

/**
 * Stars of the people with about as many, in words: 10 to 14, and 157 or more for the last bin.
 * @param {People} people
 * @param {number} stars
 */
export function starRange(people, stars) {
  const bin = starBin(people, stars);
  const lowest = people.lowestStars[bin];
  if (bin === people.lowestStars.length - 1) return `${lowest} or more`;
  const highest = people.lowestStars[bin + 1] - 1;
  return lowest === highest ? `${lowest}` : `${lowest} to ${highest}`;
}

/**
 * Share in per cent of the people with about as many stars whom a person is ahead of in each category.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed">} person
 */
export function skillPercentiles(people, { vector, starsUsed }) {
  const bin = starBin(people, starsUsed);
  return people.categories.map(({ direction, quantiles }) =>
    percentile(people.levels, quantiles, bin, dot(direction, vector)),
  );
}

/**
 * Range that each of `skillPercentiles` lies in with 80 % certainty.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed">} person
 * @param {number[]} errors standard errors of the cosine to each category's direction
 * @returns {[low: number, high: number][]}
 */
export function skillRanges(people, { vector, starsUsed }, errors) {
  const bin = starBin(people, starsUsed);
  return people.categories.map(({ direction, quantiles }, i) => {
    const [low, high] = [-1, 1].map((side) => dot(direction, vector) + side * CENTRAL_80 * errors[i]);
    return [percentile(people.levels, quantiles, bin, low), percentile(people.levels, quantiles, bin, high)];
  });
}

/**
 * Whether somebody has fewer stars than anybody in the data, so that nobody with as many can be compared with.
 * @param {People} people
 * @param {Pick<Person, "starsUsed">} person
 */
export const isRough = ({ lowestStars }, { starsUsed }) => starsUsed < lowestStars[0];

/**
 * Share in per cent of the cosines behind a table that are lower, interpolated between `levels`.
 * @param {ArrayLike<number>} levels percentages, ascending
 * @param {Int16Array} tables cosines at the levels, times 32767, of one table after another
 * @param {number} number of the table
 * @param {number} cosine
 */
export function percentile(levels, tables, number, cosine) {
  const table = tables.subarray(number * levels.length, (number + 1) * levels.length);
  const scaled = COSINE_SCALE * cosine;
  const above = table.findIndex((quantile) => quantile > scaled);
  if (above === 0) return levels[0];
  if (above < 0) return levels[levels.length - 1];
  const part = (scaled - table[above - 1]) / (table[above] - table[above - 1]);
  return levels[above - 1] + part * (levels[above] - levels[above - 1]);
}

/** A percentile as printed, never rounded up: 95 %. @param {number} value */
export const formatPercent = (value) => `${Math.floor(value)}\u00a0%`;

/**
 * The developers but the person, with the share in per cent of the people with about as many stars as the person who are
 * less close to the developer; highest first.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed" | "login">} person
 */
export function rankDevelopers(people, { vector, starsUsed, login }) {
  const bin = starBin(people, starsUsed);
  return people.developers
    .filter((developer) => developer.login.toLowerCase() !== login.toLowerCase())
    .map((developer) => {
      const cosine = dot(developer.vector, vector);
      return { developer, cosine, match: percentile(people.levels, developer.quantiles, bin, cosine) };
    })
    .sort((a, b) => b.match - a.match || b.cosine - a.cosine);
}

/**
 * Share in per cent of the pairs of people with about as many stars as these two who are less alike.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed">} a
 * @param {Pick<Person, "vector" | "starsUsed">} b
 */
export function pairPercentile(people, a, b) {
  const pair = starBin(people, a.starsUsed) * people.lowestStars.length + starBin(people, b.starsUsed);
  return percentile(people.levels, people.quantiles, pair, dot(a.vector, b.vector));
}

/**
 * The developers with `nearnessPercentile` of each, closest by their stars first.
 * @param {People} people
 * @param {Float32Array} direction unit vector, such as a text's
 */
export function rankDevelopersByText(people, direction) {
  return people.developers
    .map((developer) => ({
      developer,
      closeness: closeness(interestsOf(developer), direction),
      match: nearnessPercentile(people, developer, direction),
    }))
    .sort((a, b) => b.closeness - a.closeness);
}

/**
 * Share in per cent of the people with about as many stars whose vectors are less near to a direction, by the mixture of
 * people; null where too few people were known for one.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed">} person
 * @param {Float32Array} direction unit vector
 */
export function nearnessPercentile(people, { vector, starsUsed }, direction) {
  const { groups, centres, shares, spreads } = people.mixture;
  const { levels } = people;
  const d = direction.length;
  const bin = starBin(people, starsUsed);
  const cosine = dot(vector, direction);
  let [percent, whole] = [0, 0];
  for (let group = bin * groups; group < (bin + 1) * groups; group++) {
    const centre = dot(centres.subarray(group * d, (group + 1) * d), direction) / COSINE_SCALE;
    percent += 100 * shares[group] * normalShareBelow((cosine - centre) / spreads[bin]);
    whole += shares[group];
  }
  return whole ? Math.max(levels[0], Math.min(percent, levels[levels.length - 1])) : null;
}

/** Share of a standard normal distribution below `x`, to 1e-7 (Abramowitz and Stegun 26.2.17). @param {number} x */
function normalShareBelow(x) {
  const t = 1 / (1 + 0.2316419 * Math.abs(x));
  const polynomial = t * (0.31938153 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
  const above = (Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI)) * polynomial;
  return x < 0 ? above : 1 - above;
}

/**
 * Those of `rows` whose place is by their stars: only these say where a person is.
 * @param {{model: Model}} app
 * @param {Uint32Array} rows
 */
export const vocabularyOf = ({ model }, rows) => rows.filter((row) => row < model.n - model.placed);
