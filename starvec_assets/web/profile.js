// What the numbers of a person are made of. Python's twins: Probes.scores, quantiles.percentile, vectors.user_vectors.

import { dot, fameWeights, userVector } from "./engine/vectors.js";

/**
 * @typedef {import('./engine/model.js').Model} Model
 * @typedef {import('./engine/model.js').People} People
 * @typedef {import('./engine/catalogue.js').Catalogue} Catalogue
 * @typedef {import('./engine/engine.js').Engine} Engine
 * @typedef {import('./github.js').Stars} Stars
 *
 * @typedef {object} Person
 * @property {'me' | 'developer' | 'shared'} kind
 * @property {string} login '' where a link names nobody
 * @property {string} name to show
 * @property {Float32Array} vector unit
 * @property {Promise<void>} exact when `vector` has every bit it can have
 * @property {Uint32Array} starred rows of the vocabulary, known for 'me' only
 * @property {number} used stars that the vector is the mean of
 * @property {Stars | null} stars as GitHub gave them
 */

/** Score of `vector` in each category, 0 to 1. @param {People} people @param {Float32Array} vector */
export function skills(people, vector) {
  return people.categories.map(({ weights, bias }) => 1 / (1 + Math.exp(-(dot(weights, vector) + bias))));
}

/**
 * Share of random pairs of people with a lower cosine, in per cent, interpolated between the quantiles.
 * @param {ArrayLike<number>} table strictly increasing
 * @param {number} cosine
 */
export function percentile(table, cosine) {
  const last = table.length - 1;
  if (cosine <= table[0]) return 0;
  if (cosine >= table[last]) return 100;
  let low = 0;
  for (let high = last; high - low > 1;) {
    const middle = (low + high) >> 1;
    if (table[middle] <= cosine) low = middle;
    else high = middle;
  }
  return (100 / last) * (low + (cosine - table[low]) / (table[low + 1] - table[low]));
}

/** A percentile as printed: 95.3 %. @param {number} value */
export const perCent = (value) => `${value.toFixed(1)} %`;

/**
 * The developers, most alike first.
 * @param {People} people
 * @param {Float32Array} vector
 */
export function alike(people, vector) {
  return people.developers
    .map((developer) => ({
      developer,
      match: matchOf(people, developer.vector, vector),
      cosine: dot(developer.vector, vector),
    }))
    .sort((a, b) => b.cosine - a.cosine);
}

/** How alike two people are, as a percentile. @param {People} people @param {Float32Array} a @param {Float32Array} b */
export const matchOf = (people, a, b) => percentile(people.quantiles.users, dot(a, b));

/**
 * Rows of the vocabulary that were starred, each once: by name, or by number where a repository was renamed since.
 * @param {Catalogue} catalogue
 * @param {Stars} stars
 */
export function rowsOf(catalogue, stars) {
  const rows = stars.stars.map(({ id, name }) => {
    const row = catalogue.indexOfName(name);
    return row >= 0 ? row : catalogue.indexOfId(id);
  });
  return Uint32Array.from(new Set(rows.filter((row) => row >= 0)));
}

/** How much each star counts, by the model's rule. @param {{model: Model, catalogue: Catalogue}} app @param {Uint32Array} rows */
const weightsOf = ({ model, catalogue }, rows) =>
  fameWeights(
    Array.from(rows, (row) => catalogue.stars[row]),
    model.user_rule.fame_power,
  );

/**
 * The vector of who starred `rows`.
 * @param {{model: Model, catalogue: Catalogue, engine: Engine}} app
 * @param {Uint32Array} rows
 */
export async function vectorOf(app, rows) {
  return userVector(await app.engine.vectors(rows), weightsOf(app, rows), app.model.d);
}

/**
 * For each of `found` the starred repositories that pull it in most: the largest parts of its cosine.
 * @param {{model: Model, catalogue: Catalogue, engine: Engine}} app
 * @param {Uint32Array} starred
 * @param {Uint32Array} found
 * @param {number} [most]
 * @returns {Promise<number[][]>} rows
 */
export async function reasons(app, starred, found, most = 3) {
  const d = app.model.d;
  const [from, to] = await Promise.all([app.engine.vectors(starred), app.engine.vectors(found)]);
  const weights = weightsOf(app, starred);
  return Array.from(found, (_, i) => {
    const target = to.subarray(i * d, (i + 1) * d);
    const pull = Array.from(starred, (row, j) => ({
      row,
      part: weights[j] * dot(from.subarray(j * d, (j + 1) * d), target),
    }));
    return pull
      .sort((a, b) => b.part - a.part)
      .slice(0, most)
      .filter(({ part }) => part > 0)
      .map(({ row }) => row);
  });
}

/**
 * The vector of a basket: the mean of what was added, less half the mean of what was taken away.
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
 * What is added to each repository's cosine: -Infinity leaves it out, fame moves it up or down. Null where nothing is.
 * @param {{model: Model, catalogue: Catalogue}} app
 * @param {{without?: ArrayLike<number>, language?: string, leastStars?: number, fame?: number}} filter
 *   fame: -4 for the niche, 0 for neither, 4 for the famous
 */
export function biasOf({ model, catalogue }, { without = [], language = "", leastStars = 0, fame = 0 }) {
  if (!without.length && !language && !leastStars && !fame) return null;
  const bias = new Float32Array(model.n);
  if (fame) {
    const logs = Float64Array.from(catalogue.stars, (stars) => Math.log(Math.max(1, stars)));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    const spread = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length) || 1;
    for (let i = 0; i < bias.length; i++) bias[i] = 0.02 * fame * ((logs[i] - mean) / spread);
  }
  for (let i = 0; i < bias.length; i++)
    if ((language && catalogue.language(i) !== language) || catalogue.stars[i] < leastStars) bias[i] = -Infinity;
  for (let i = 0; i < without.length; i++) bias[without[i]] = -Infinity;
  return bias;
}
