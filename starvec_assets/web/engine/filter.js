// What the filters of a list leave of all rows, and how fame moves them.

/** @import { Catalogue } from "./catalogue.js" */

/**
 * @typedef {object} Filter
 * @property {ArrayLike<number>} [exclude] rows
 * @property {Uint32Array | null} [only] rows beside which all others are excluded
 * @property {string} [language] "" for any
 * @property {string} [topic] "" for any; worker.js resolves it into `only`
 * @property {number} [minStars]
 * @property {number} [months] last seen in so many of the newest months, 0 for any
 * @property {number} [fame] from -4, which prefers little starred repositories, to 4, which prefers most starred ones
 */

/** Weight of a step of the fame slider, as cosine per standard deviation of log(stars). */
const FAME_STEP = 0.02;

/**
 * The rows that pass, [n] of 0 and 1; null where all do. Fame excludes nothing.
 * @param {Catalogue} catalogue
 * @param {Filter} filter
 */
export function allowedRows(catalogue, { exclude = [], only = null, language = "", minStars = 0, months = 0 }) {
  if (!exclude.length && !only && !language && !minStars && !months) return null;
  const { n, stars, lastSeen, languageCodes } = catalogue;
  const allowed = new Uint8Array(n).fill(only ? 0 : 1);
  for (const row of only ?? []) allowed[row] = 1;
  const code = catalogue.languages.indexOf(language);
  const earliest = months ? catalogue.newestMonth - months + 1 : 0;
  for (let row = 0; row < n; row++)
    if ((language && languageCodes[row] !== code) || stars[row] < minStars || lastSeen[row] < earliest)
      allowed[row] = 0;
  for (let i = 0; i < exclude.length; i++) allowed[exclude[i]] = 0;
  return allowed;
}

/**
 * What is added to each row's cosine, [n]: -Infinity where it does not pass, else by fame; null where nothing is.
 * @param {Catalogue} catalogue
 * @param {Filter} filter
 */
export function filterBias(catalogue, filter) {
  const { fame = 0 } = filter;
  const allowed = allowedRows(catalogue, filter);
  if (!allowed && !fame) return null;
  const bias = new Float32Array(catalogue.n);
  if (fame) {
    const logs = Float64Array.from(catalogue.stars, (stars) => Math.log(Math.max(1, stars)));
    const mean = logs.reduce((sum, x) => sum + x, 0) / logs.length;
    const deviation = Math.sqrt(logs.reduce((sum, x) => sum + (x - mean) ** 2, 0) / logs.length) || 1;
    for (let row = 0; row < bias.length; row++) bias[row] = FAME_STEP * fame * ((logs[row] - mean) / deviation);
  }
  if (allowed) for (let row = 0; row < bias.length; row++) if (!allowed[row]) bias[row] = -Infinity;
  return bias;
}
