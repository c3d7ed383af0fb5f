// Loads and validates data/model.json and data/people.json.

import { MODEL_SHA256 } from "../release.js";
import { PROTOTYPES } from "./prototypes.js";
import {
  asArray,
  asFiniteNumber,
  asFloats,
  asInt8s,
  asInt16s,
  asInteger,
  asObject,
  asString,
  assert,
  assertIntact,
  BundleError,
  fetchFile,
  readBody,
} from "./validate.js";

/** @import { Prototypes } from "./prototypes.js" */
/**
 * @typedef {{bytes: number, sha256: string, inflatedSha256: string}} DataFile `inflatedSha256`: of what is gzipped in it,
 *   "" for a file that is not gzipped
 * @typedef {{value: number, low: number | null, high: number | null}} Score value of a metric with its 95 % interval
 * @typedef {{name: string, passed: boolean, detail: string, kind: string}} GateResult
 *
 * @typedef {object} Developer
 * @property {string} login
 * @property {string} name
 * @property {number} starsUsed how many stars `vector` is the mean of
 * @property {Float32Array} vector
 * @property {Int16Array} quantiles [bins * levels]: cosines of people of each bin of stars to the developer, times 32767
 * @property {Prototypes} prototypes
 *
 * @typedef {object} Model
 * @property {string} id of the vectors: 16 hexadecimal digits
 * @property {number} n repositories
 * @property {number} placed how many of them, the last rows, too few people starred: their place is by their text
 * @property {number} d dimensions
 * @property {number} firstRows rows in first.gz
 * @property {number} textD dimensions of the vectors of the text alone
 * @property {{samePeople: number, samePurpose: number}} textWeights weight of the text's cosine beside the vectors' at
 *   the ends of the dial
 * @property {Record<string, DataFile>} files of data/, by name
 * @property {string[]} languages names by the codes of the language column; first "" for none, then most frequent first
 * @property {number[]} superseded rows whose name another row was seen with later
 * @property {Record<string, string | number>} dataWindow first and last month, counts
 * @property {Record<string, Record<string, Score>>} evaluation system -> metric -> score
 * @property {Record<string, string | number>} evaluationData what it was measured on
 * @property {GateResult[]} gates
 * @property {{famePower: number}} userRule how stars are weighted in the mean of a person
 * @property {string} wasm SHA-256 of the compiled search core, "" for a page without one
 * @property {Record<string, unknown>} buildInfo code_version, sources, versions of the inputs
 *
 * @typedef {object} Category
 * @property {string} name
 * @property {string} title
 * @property {number} auc
 * @property {Float32Array} direction unit vector
 * @property {Int16Array} quantiles [bins * levels]: cosines of people of each bin of stars to `direction`, times 32767
 * @property {Float32Array} place unit vector: where its reference repositories lie
 *
 * @typedef {object} People
 * @property {Category[]} categories
 * @property {number[]} lowestStars of the people of each bin of stars, ascending
 * @property {number[]} levels percentages at which the tables of quantiles hold the cosine, ascending
 * @property {Int16Array} quantiles [bins * bins * levels]: cosines of pairs of people of two bins, times 32767
 * @property {Mixture} mixture
 * @property {Developer[]} developers
 *
 * @typedef {object} Mixture of normal distributions: how near the people of each bin of stars are to any direction
 * @property {number} groups of people in a bin
 * @property {Int16Array} centres [bins * groups * d], times 32767
 * @property {Float32Array} shares [bins * groups] of the people of the bin; 0 for a group that is not used
 * @property {Float32Array} spreads [bins]: standard deviation about a centre
 */

/** Files that a bundle may lack: of the map, of what is rising, and of topics. */
export const MAP_FILE = "map.gz";
export const TRENDS_FILE = "trends.gz";
export const TOPICS_FILE = "topics.gz";
const FORMAT = 3;
const SEARCH_FILES = ["vectors.hi", "vectors.lo", "vectors.text", "words.index", "words.text"];
const REQUIRED_FILES = [...SEARCH_FILES, "first.gz", "names.gz", "columns.gz", "descriptions.gz", "people.json"];

/**
 * Load the model of the release that this module is of.
 * @param {URL | string} base address of data/
 * @returns {Promise<Model>}
 * @throws {BundleError} if it cannot be fetched, or is invalid or of another release
 */
export async function loadModel(base) {
  const address = MODEL_SHA256 ? `model.json?${MODEL_SHA256.slice(0, 16)}` : "model.json";
  const content = await fetchJson(new URL(address, base), {}, MODEL_SHA256);
  const format = String(content.format).slice(0, 20);
  assert(content.format === FORMAT, `model.json has format ${format}, this page reads ${FORMAT}.`);
  const n = asInteger(content.n, 1, 5_000_000, "model.json: n");
  const d = asInteger(content.d, 16, 1024, "model.json: d");
  assert(d % 16 === 0, "model.json: d is no multiple of 16.");
  const id = asString(content.model, 16, "model.json: model");
  assert(/^[0-9a-f]{16}$/.test(id), "model.json: model is no id.");
  const files = Object.fromEntries(
    Object.entries(asObject(content.files, "model.json: files")).map(([name, value]) => {
      const file = asObject(value, `model.json: ${name.slice(0, 40)}`);
      const bytes = asInteger(file.bytes, 0, 2 ** 32, `size of ${name}`);
      const sha256 = asString(file.sha256, 64, `hash of ${name}`);
      const inflatedSha256 = asString(file.inflated_sha256 ?? "", 64, `hash of ${name}`);
      return [name, { bytes, sha256, inflatedSha256 }];
    }),
  );
  for (const name of REQUIRED_FILES) assert(Object.hasOwn(files, name), `model.json does not list ${name}.`);
  assert(
    files["vectors.hi"].bytes === n * d && files["vectors.lo"].bytes === (n * d) / 2,
    "model.json: the planes are not n x d.",
  );
  const textD = asInteger(files["vectors.text"].bytes / n, 1, 1024, "model.json: dimensions of the text");
  assert(textD % 16 === 0, "model.json: the text's vectors have no multiple of 16 dimensions.");
  const textWeights = asObject(content.text_weights, "model.json: text_weights");
  const evaluation = asObject(content.evaluation, "model.json: evaluation");
  const gates = asArray(content.gate, 100, "model.json: gate").map((gate) => asObject(gate, "model.json: gate"));
  const userRule = asObject(content.user_rule, "model.json: user_rule");
  return {
    id,
    n,
    placed: asInteger(content.placed ?? 0, 0, n - 1, "model.json: placed"),
    d,
    firstRows: asInteger(content.first_rows, 1, n, "model.json: first_rows"),
    textD,
    textWeights: {
      samePeople: asFiniteNumber(textWeights.same_people, "model.json: weight of the text"),
      samePurpose: asFiniteNumber(textWeights.same_purpose, "model.json: weight of the text"),
    },
    files,
    wasm: asString(content.wasm_sha256, 64, "model.json: hash of search.wasm"),
    languages: asArray(content.languages, 65536, "model.json: languages").map((l) => asString(l, 400, "a language")),
    superseded: asArray(content.superseded ?? [], n, "model.json: superseded").map((row) =>
      asInteger(row, 0, n - 1, "model.json: a row"),
    ),
    dataWindow: asScalars(content.window, "model.json: window"),
    evaluation: Object.fromEntries(
      Object.entries(evaluation).map(([system, metrics]) => [
        system,
        asScores(asObject(metrics, "model.json: evaluation")),
      ]),
    ),
    evaluationData: asScalars(content.evaluated, "model.json: evaluated"),
    gates: gates.map((gate) => ({
      name: asString(gate.name, 200, "a gate's name"),
      passed: gate.passed === true,
      detail: asString(gate.detail, 1000, "a gate's detail"),
      kind: asString(gate.kind, 40, "a gate's kind"),
    })),
    userRule: { famePower: asFiniteNumber(userRule.fame_power, "model.json: fame_power") },
    buildInfo: asObject(content.made, "model.json: made"),
  };
}

/**
 * @param {URL | string} base address of data/
 * @param {Model} model
 * @returns {Promise<People>}
 * @throws {BundleError} if it cannot be fetched or is invalid
 */
export async function loadPeople(base, model) {
  const content = await fetchJson(dataUrl(base, "people.json", model), {}, model.files["people.json"].sha256);
  const bins = asObject(content.star_bins, "people.json: star_bins");
  const lowestStars = asAscending(bins.lowest, 100, "people.json: bins of stars");
  const levels = asAscending(content.levels, 1001, "people.json: levels");
  return {
    categories: asArray(content.categories, 100, "people.json: categories").map((value) => {
      const category = asObject(value, "a category");
      const name = asString(category.name, 200, "a category's name");
      return {
        name,
        title: asString(category.title, 200, `title of ${name}`),
        auc: asFiniteNumber(category.auc, `AUC of ${name}`),
        direction: asFloats(category.direction, model.d, `direction of ${name}`),
        quantiles: asInt16s(category.quantiles, lowestStars.length * levels.length, `quantiles of ${name}`),
        place: asFloats(category.place, model.d, `place of ${name}`),
      };
    }),
    lowestStars,
    levels,
    quantiles: asInt16s(content.quantiles, lowestStars.length ** 2 * levels.length, "people.json: quantiles"),
    mixture: asMixture(asObject(content.mixture, "people.json: mixture"), lowestStars.length, model.d),
    developers: asArray(content.developers, 10_000, "people.json: developers").map((value) => {
      const developer = asObject(value, "a developer");
      const login = asString(developer.login, 60, "a developer's login");
      return {
        login,
        name: asString(developer.name, 400, `name of ${login}`),
        starsUsed: asInteger(developer.stars_used, 0, 1e9, `stars of ${login}`),
        vector: asFloats(developer.vector, model.d, `vector of ${login}`),
        quantiles: asInt16s(developer.quantiles, lowestStars.length * levels.length, `quantiles of ${login}`),
        prototypes: {
          vectors: asInt8s(developer.prototypes, PROTOTYPES * model.d, `prototypes of ${login}`),
          weights: asFloats(developer.prototype_weights, PROTOTYPES, `weights of ${login}`),
        },
      };
    }),
  };
}

/** Whether the bundle has a map; older ones have none. @param {Model} model */
export const hasMap = ({ files }) => Object.hasOwn(files, MAP_FILE);

/** Whether the bundle has trends; older ones have none. @param {Model} model */
export const hasTrends = ({ files }) => Object.hasOwn(files, TRENDS_FILE);

/** Whether topics of the repositories are known. @param {Pick<Model, "files">} model */
export const hasTopics = ({ files }) => Object.hasOwn(files, TOPICS_FILE);

/**
 * Address of a data file. Its hash is in the query, so that no cache answers with another version.
 * @param {URL | string} base address of data/
 * @param {string} name
 * @param {Pick<Model, "files">} model
 */
export function dataUrl(base, name, model) {
  return new URL(`${name}?${model.files[name].sha256.slice(0, 16)}`, base);
}

/**
 * @param {URL} url
 * @param {RequestInit} options
 * @param {string} [expected] SHA-256 of the file
 */
async function fetchJson(url, options, expected) {
  const name = url.pathname.split("/").pop() ?? "";
  const bytes = await readBody(await fetchFile(url, options), name);
  if (expected) await assertIntact(bytes, expected, name);
  let content;
  try {
    content = JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    throw new BundleError(`${name} is no JSON.`);
  }
  return asObject(content, name);
}

/**
 * @param {unknown} value
 * @param {string} what
 */
function asScalars(value, what) {
  const entries = Object.entries(asObject(value, what));
  assert(
    entries.every(([, v]) => typeof v === "number" || typeof v === "string"),
    `${what} holds more than numbers and texts.`,
  );
  return /** @type {Record<string, string | number>} */ (Object.fromEntries(entries));
}

/**
 * @param {Record<string, unknown>} metrics
 * @returns {Record<string, Score>}
 */
function asScores(metrics) {
  return Object.fromEntries(
    Object.entries(metrics).map(([metric, value]) => {
      const score = asObject(value, metric);
      const bound = (/** @type {unknown} */ v) => (v === null ? null : asFiniteNumber(v, metric));
      return [metric, { value: asFiniteNumber(score.value, metric), low: bound(score.low), high: bound(score.high) }];
    }),
  );
}

/**
 * @param {Record<string, unknown>} value
 * @param {number} bins
 * @param {number} d
 * @returns {Mixture}
 */
function asMixture(value, bins, d) {
  const groups = asInteger(value.groups, 1, 1000, "people.json: groups of people");
  return {
    groups,
    centres: asInt16s(value.centres, bins * groups * d, "people.json: centres of groups"),
    shares: asFloats(value.shares, bins * groups, "people.json: shares of groups"),
    spreads: asFloats(value.spreads, bins, "people.json: spreads of groups"),
  };
}

/**
 * @param {unknown} value
 * @param {number} maxLength
 * @param {string} what
 */
function asAscending(value, maxLength, what) {
  const numbers = asArray(value, maxLength, what).map((number) => asFiniteNumber(number, what));
  assert(numbers.length > 0, `${what} are missing.`);
  assert(
    numbers.every((number, i) => i === 0 || number > numbers[i - 1]),
    `${what} do not ascend.`,
  );
  return numbers;
}
