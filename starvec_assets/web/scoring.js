// Scores of a person: skills, matches and what is recommended. The Python counterparts are Probes.scores in
// profiles/probes.py, percentile in profiles/quantiles.py and user_vectors in vectors.py.

import { dot, fameWeights, userVector } from "./engine/vectors.js";

/** @import { Catalogue } from "./engine/catalogue.js" */
/** @import { Engine } from "./engine/engine.js" */
/** @import { Model, People } from "./engine/model.js" */
/** @import { Star, StarList } from "./github.js" */

/**
 * @typedef {object} Person
 * @property {"self" | "developer" | "shared"} kind
 * @property {string} login "" where a shared link leaves it out
 * @property {string} name to show
 * @property {Float32Array} vector unit vector
 * @property {Promise<void>} exact settles when `vector` is computed from both planes
 * @property {Uint32Array} starred rows of the vocabulary; empty unless kind is "self"
 * @property {number} starsUsed how many stars `vector` is the mean of
 * @property {StarList | null} stars as GitHub returned them
 */

/** Weight of a step of the fame slider, as cosine per standard deviation of log(stars). */
const FAME_STEP = 0.02;

/**
 * Score of `vector` in each category, 0 to 1.
 * @param {People} people
 * @param {Float32Array} vector
 */
export function skillScores(people, vector) {
  return people.categories.map(({ weights, bias }) => 1 / (1 + Math.exp(-(dot(weights, vector) + bias))));
}

/**
 * Share in per cent of random pairs of people with a lower cosine, interpolated between the quantiles.
 * @param {ArrayLike<number>} table quantiles, strictly increasing
 * @param {number} cosine
 */
export function percentile(table, cosine) {
  const last = table.length - 1;
  if (cosine <= table[0]) return 0;
  if (cosine >= table[last]) return 100;
  let low = 0;
  for (let high = last; high - low > 1; ) {
    const middle = (low + high) >> 1;
    if (table[middle] <= cosine) low = middle;
    else high = middle;
  }
  return (100 / last) * (low + (cosine - table[low]) / (table[low + 1] - table[low]));
}

/** A percentile as printed: 95.3 %. @param {number} value */
export const formatPercent = (value) => `${value.toFixed(1)} %`;

/**
 * The developers with their match, most similar first.
 * @param {People} people
 * @param {Float32Array} vector
 */
export function rankDevelopers(people, vector) {
  return people.developers
    .map((developer) => ({
      developer,
      match: matchPercentile(people, developer.vector, vector),
      cosine: dot(developer.vector, vector),
    }))
    .sort((a, b) => b.cosine - a.cosine);
}

/**
 * Similarity of two people as a percentile of that of random pairs.
 * @param {People} people
 * @param {Float32Array} a
 * @param {Float32Array} b
 */
export const matchPercentile = (people, a, b) => percentile(people.quantiles.users, dot(a, b));

/**
 * Distinct rows of the vocabulary that were starred, looked up by id, or by name where the id is unknown: a repository
 * may have been made anew, and the ids of the sample are not GitHub's. A name alone may have gone to another repository.
 * @param {Catalogue} catalogue
 * @param {Star[]} stars
 */
export function vocabularyRows(catalogue, stars) {
  const rows = stars.map(({ id, name }) => {
    const row = catalogue.indexOfId(id);
    return row >= 0 ? row : catalogue.indexOfName(name);
  });
  return Uint32Array.from(new Set(rows.filter((row) => row >= 0)));
}

/**
 * Weight of each star in the mean of a person, by the model's rule.
 * @param {{model: Model, catalogue: Catalogue}} app
 * @param {Uint32Array} rows
 */
const starWeights = ({ model, catalogue }, rows) =>
  fameWeights(
    Array.from(rows, (row) => catalogue.stars[row]),
    model.userRule.famePower,
  );

/**
 * Vector of a person who starred `rows`.
 * @param {{model: Model, catalogue: Catalogue, engine: Engine}} app
 * @param {Uint32Array} rows
 */
export async function profileVector(app, rows) {
  return userVector(await app.engine.vectors(rows), starWeights(app, rows), app.model.d);
}

/**
 * For each recommended row, the starred rows that contribute most to its cosine.
 * @param {{model: Model, catalogue: Catalogue, engine: Engine}} app
 * @param {Uint32Array} starred
 * @param {Uint32Array} recommended
 * @param {number} [k] at most so many contributors each
 * @returns {Promise<number[][]>} starred rows, largest contribution first
 */
export async function topContributors(app, starred, recommended, k = 3) {
  const d = app.model.d;
  const [sources, targets] = await Promise.all([app.engine.vectors(starred), app.engine.vectors(recommended)]);
  const weights = starWeights(app, starred);
  return Array.from(recommended, (_, i) => {
    const target = targets.subarray(i * d, (i + 1) * d);
    const contributions = Array.from(starred, (row, j) => ({
      row,
      contribution: weights[j] * dot(sources.subarray(j * d, (j + 1) * d), target),
    }));
    return contributions
      .sort((a, b) => b.contribution - a.contribution)
      .slice(0, k)
      .filter(({ contribution }) => contribution > 0)
      .map(({ row }) => row);
  });
}

/**
 * Query vector of a basket: the mean of `plus` less half the mean of `minus`.
 * @param {{model: Model, engine: Engine}} app
 * @param {number[]} plus rows, at least one
 * @param {number[]} minus rows
 */
export async function basketVector(app, plus, minus) {
  const rows = Uint32Array.from([...plus, ...minus]);
  const weights = Float32Array.from(rows, (_, i) => (i < plus.length ? 1 / plus.length : -0.5 / minus.length));
  return userVector(await app.engine.vectors(rows), weights, app.model.d);
}

/**
 * What the filters add to each row's cosine [n]: -Infinity excludes it, fame raises or lowers it. Null without filters.
 * @param {{model: Model, catalogue: Catalogue}} app
 * @param {{exclude?: ArrayLike<number>, language?: string, minStars?: number, fame?: number}} filter
 *   exclude: rows; fame: -4 prefers little starred repositories, 0 neither, 4 most starred ones
 */
export function scoreBias({ model, catalogue }, { exclude = [], language = "", minStars = 0, fame = 0 }) {
  if (!exclude.length && !language && !minStars && !fame) return null;
  const bias = new Float32Array(model.n);
  if (fame) {
    const logs = Float64Array.from(catalogue.stars, (stars) => Math.log(Math.max(1, stars)));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    const deviation = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length) || 1;
    for (let i = 0; i < bias.length; i++) bias[i] = FAME_STEP * fame * ((logs[i] - mean) / deviation);
  }
  for (let i = 0; i < bias.length; i++)
    if ((language && catalogue.language(i) !== language) || catalogue.stars[i] < minStars) bias[i] = -Infinity;
  for (let i = 0; i < exclude.length; i++) bias[exclude[i]] = -Infinity;
  return bias;
}
