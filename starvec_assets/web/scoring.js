// Scores of a person: skills, matches, nearness to a text and what is recommended. The Python counterparts are StarBins in
// profiles/star_bins.py, skill_scores in profiles/probes.py, percentile in profiles/quantiles.py, PeopleMixture in
// profiles/people_mixture.py, Prototypes in prototypes.py and user_vectors in vectors.py.

import { dot, fameWeights, userVector } from "./engine/vectors.js";

/** @import { Catalogue } from "./engine/catalogue.js" */
/** @import { Engine } from "./engine/engine.js" */
/** @import { Developer, Model, People } from "./engine/model.js" */
/** @import { SearchResult } from "./engine/search.js" */
/** @import { Star, StarList } from "./github.js" */

/**
 * @typedef {object} Person
 * @property {"self" | "developer" | "shared"} kind
 * @property {string} login "" where a shared link leaves it out
 * @property {string} name to show
 * @property {Float32Array} vector unit vector
 * @property {Promise<void>} exact settles when `vector` is computed from both planes
 * @property {Uint32Array} starred rows of all starred repositories that are known; empty unless kind is "self"
 * @property {number} starsUsed how many stars `vector` is the mean of
 * @property {StarList | null} stars as GitHub returned them
 */

/** Cosines in tables of quantiles are multiplied by this. */
const COSINE_SCALE = 32767;

/** Weight of a step of the fame slider, as cosine per standard deviation of log(stars). */
const FAME_STEP = 0.02;

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
 * Score of a person in each category, 0 to 1.
 * @param {People} people
 * @param {Pick<Person, "vector" | "starsUsed">} person
 */
export function skillScores(people, { vector, starsUsed }) {
  const bin = starBin(people, starsUsed);
  return people.categories.map(({ weights, calibration }) => {
    const [scale, shift] = calibration[bin];
    return 1 / (1 + Math.exp(-(scale * dot(weights, vector) + shift)));
  });
}

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
export const formatPercent = (value) => `${Math.floor(value)} %`;

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
 * How near a developer's stars are to a direction: the mean over their prototypes of max(0, cosine)².
 * @param {Pick<Developer, "prototypes" | "prototypeWeights">} developer
 * @param {Float32Array} direction unit vector
 */
export function closeness({ prototypes, prototypeWeights }, direction) {
  const d = direction.length;
  return prototypeWeights.reduce((sum, weight, i) => {
    if (!weight) return sum;
    const prototype = prototypes.subarray(i * d, (i + 1) * d);
    const cosine = dot(prototype, direction) / Math.sqrt(dot(prototype, prototype));
    return sum + weight * Math.max(0, cosine) ** 2;
  }, 0);
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
      closeness: closeness(developer, direction),
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
 * Distinct rows of repositories that were starred, looked up by id, or by name where the id is unknown: a repository
 * may have been made anew, and the ids of the sample are not GitHub's. A name alone may have gone to another repository.
 * @param {Catalogue} catalogue
 * @param {Star[]} stars
 */
export function knownRows(catalogue, stars) {
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
 * Those of `rows` whose place is by their stars: only these say where a person is.
 * @param {{model: Model}} app
 * @param {Uint32Array} rows
 */
export const vocabularyOf = ({ model }, rows) => rows.filter((row) => row < model.n - model.placed);

/**
 * Vector of a person who starred `rows` of the vocabulary.
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
  const known = vocabularyOf(app, starred);
  const [sources, targets] = await Promise.all([app.engine.vectors(known), app.engine.vectors(recommended)]);
  const weights = starWeights(app, known);
  return Array.from(recommended, (_, i) => {
    const target = targets.subarray(i * d, (i + 1) * d);
    const contributions = Array.from(known, (row, j) => ({
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
 * Repositories like those of `plus` and unlike those of `minus`. A basket's vector is the mean of `plus` less half the
 * mean of `minus`. Cosines of vectors and of texts are mixed as by ExportIndex.similar in export/fp16.py.
 * @param {{model: Model, engine: Engine}} app
 * @param {{plus: number[], minus: number[], purpose: number}} basket rows, at least one of `plus`; `purpose`: from -1,
 *   starred by the same people, to 1, of the same purpose
 * @param {number} k
 * @param {Float32Array | null} bias [n] that excludes rows, as of `scoreBias` without fame
 * @returns {Promise<SearchResult>}
 */
export async function searchBasket({ model, engine }, { plus, minus, purpose }, k, bias) {
  const rows = Uint32Array.from([...plus, ...minus]);
  const weights = Float32Array.from(rows, (_, i) => (i < plus.length ? 1 / plus.length : -0.5 / minus.length));
  const query = userVector(await engine.vectors(rows), weights, model.d);
  if (!purpose) return engine.search(query, { k, bias });
  const { samePeople, samePurpose } = model.textWeights;
  const textWeight = Math.abs(purpose) * (purpose > 0 ? samePurpose : samePeople);
  const textCosines = await engine.textCosines(rows, weights);
  const added = textCosines.map((cosine, i) => textWeight * cosine + (bias ? bias[i] : 0));
  const found = await engine.search(query, { k, bias: added });
  return { ...found, cosines: found.scores.map((score) => score / (1 + textWeight)) };
}

/** Newest month in which a repository was last seen. @param {Catalogue} catalogue */
const newestMonth = ({ lastSeen }) => lastSeen.reduce((newest, month) => Math.max(newest, month), 0);

/**
 * Those of `steps` in which some repository, but not every one, was last seen: numbers of the newest months.
 * @param {Catalogue} catalogue
 * @param {number[]} steps
 */
export function activitySteps(catalogue, steps) {
  const newest = newestMonth(catalogue);
  return steps.filter((months) => catalogue.lastSeen.some((month) => month <= newest - months));
}

/**
 * What the filters add to each row's cosine [n]: -Infinity excludes it, fame raises or lowers it. Null without filters.
 * @param {{model: Model, catalogue: Catalogue}} app
 * @param {{exclude?: ArrayLike<number>, only?: Uint32Array | null, language?: string, minStars?: number, months?: number,
 *   fame?: number}} filter exclude: rows; only: rows beside which all others are excluded; months: last seen in so many of
 *   the newest months, 0 for any; fame: -4 prefers little starred repositories, 0 neither, 4 most starred ones
 */
export function scoreBias(
  { model, catalogue },
  { exclude = [], only = null, language = "", minStars = 0, months = 0, fame = 0 },
) {
  if (!exclude.length && !only && !language && !minStars && !months && !fame) return null;
  const bias = new Float32Array(model.n);
  if (fame) {
    const logs = Float64Array.from(catalogue.stars, (stars) => Math.log(Math.max(1, stars)));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    const deviation = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length) || 1;
    for (let i = 0; i < bias.length; i++) bias[i] = FAME_STEP * fame * ((logs[i] - mean) / deviation);
  }
  const earliest = months ? newestMonth(catalogue) - months + 1 : 0;
  for (let i = 0; i < bias.length; i++)
    if (
      (language && catalogue.language(i) !== language) ||
      catalogue.stars[i] < minStars ||
      catalogue.lastSeen[i] < earliest
    )
      bias[i] = -Infinity;
  for (let i = 0; i < exclude.length; i++) bias[exclude[i]] = -Infinity;
  if (only) {
    const kept = new Set(only);
    for (let i = 0; i < bias.length; i++) if (!kept.has(i)) bias[i] = -Infinity;
  }
  return bias;
}
