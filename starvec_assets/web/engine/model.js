// @ts-check
/** data/model.json and data/people.json, validated. */

import { BundleError, check, finite, floats, get, list, record, text, whole } from "./checks.js";

/**
 * @typedef {{ bytes: number, sha256: string }} DataFile
 * @typedef {{ value: number, low: number | null, high: number | null }} Score with its 95 % interval
 * @typedef {{ name: string, passed: boolean, detail: string, kind: string }} Gate
 *
 * @typedef {object} Model
 * @property {string} model id of the vectors: 16 hexadecimal digits
 * @property {number} n repositories
 * @property {number} d dimensions
 * @property {Record<string, DataFile>} files of data/, by name
 * @property {string[]} languages what the language column's numbers stand for; the first is "", then most frequent first
 * @property {Record<string, string | number>} window first and last month, counts
 * @property {Record<string, Record<string, Score>>} evaluation system -> metric -> score
 * @property {Record<string, number>} evaluated what it was measured on
 * @property {Gate[]} gate
 * @property {{ fame_power: number }} user_rule
 * @property {Record<string, unknown>} made code_version, sources, versions of the inputs
 *
 * @typedef {object} Category
 * @property {string} name
 * @property {string} title
 * @property {number} auc
 * @property {Float32Array} weights score = sigmoid(weights · unit vector + bias)
 * @property {number} bias
 *
 * @typedef {{ login: string, name: string, stars_used: number, vector: Float32Array }} Developer
 *
 * @typedef {object} People
 * @property {Category[]} categories
 * @property {{ median: number, top_twentieth: number }} calibration scores, 0 to 1, of the median person and of whom one in
 *   twenty reaches, in every category
 * @property {{ users: Float32Array, repositories: Float32Array }} quantiles cosine at each 0.1 per cent
 * @property {Developer[]} developers
 */

const FORMAT = 1;
const PLANES = ["vectors.hi", "vectors.lo"];
const NEEDED = [...PLANES, "names.gz", "columns.gz", "descriptions.gz", "people.json"];

/**
 * @param {URL | string} base address of data/
 * @returns {Promise<Model>}
 * @throws {BundleError} when it cannot be had or is not what it should be
 */
export async function loadModel(base) {
  const content = await json(new URL("model.json", base), { cache: "no-cache" });
  check(content.format === FORMAT, `model.json has format ${String(content.format).slice(0, 20)}, this page reads ${FORMAT}.`);
  const n = whole(content.n, 1, 5_000_000, "model.json: n");
  const d = whole(content.d, 16, 1024, "model.json: d");
  check(d % 16 === 0, "model.json: d is no multiple of 16.");
  const model = text(content.model, 16, "model.json: model");
  check(/^[0-9a-f]{16}$/.test(model), "model.json: model is no id.");
  const files = Object.fromEntries(
    Object.entries(record(content.files, "model.json: files")).map(([name, value]) => {
      const file = record(value, `model.json: ${name.slice(0, 40)}`);
      return [name, { bytes: whole(file.bytes, 0, 2 ** 32, `size of ${name}`), sha256: text(file.sha256, 64, `hash of ${name}`) }];
    }),
  );
  for (const name of NEEDED) check(Object.hasOwn(files, name), `model.json does not list ${name}.`);
  check(files["vectors.hi"].bytes === n * d && files["vectors.lo"].bytes === (n * d) / 2, "model.json: the planes are not n x d.");
  const evaluation = record(content.evaluation, "model.json: evaluation");
  const gate = list(content.gate, 100, "model.json: gate").map((g) => record(g, "model.json: gate"));
  return {
    model,
    n,
    d,
    files,
    languages: list(content.languages, 65536, "model.json: languages").map((l) => text(l, 400, "a language")),
    window: scalars(content.window, "model.json: window"),
    evaluation: Object.fromEntries(
      Object.entries(evaluation).map(([system, metrics]) => [system, scores(record(metrics, "model.json: evaluation"))]),
    ),
    evaluated: /** @type {Record<string, number>} */ (scalars(content.evaluated, "model.json: evaluated")),
    gate: gate.map((g) => ({
      name: text(g.name, 200, "a gate's name"),
      passed: g.passed === true,
      detail: text(g.detail, 1000, "a gate's detail"),
      kind: text(g.kind, 40, "a gate's kind"),
    })),
    user_rule: { fame_power: finite(record(content.user_rule, "model.json: user_rule").fame_power, "model.json: fame_power") },
    made: record(content.made, "model.json: made"),
  };
}

/**
 * @param {URL | string} base address of data/
 * @param {Model} model
 * @returns {Promise<People>}
 */
export async function loadPeople(base, model) {
  const content = await json(addressed(base, "people.json", model));
  const quantiles = record(content.quantiles, "people.json: quantiles");
  const calibration = record(content.calibration, "people.json: calibration");
  return {
    categories: list(content.categories, 100, "people.json: categories").map((value) => {
      const category = record(value, "a category");
      const name = text(category.name, 200, "a category's name");
      return {
        name,
        title: text(category.title, 200, `title of ${name}`),
        auc: finite(category.auc, `AUC of ${name}`),
        weights: floats(category.weights, model.d, `weights of ${name}`),
        bias: finite(category.bias, `bias of ${name}`),
      };
    }),
    calibration: {
      median: share(calibration.median, "people.json: the median person's score"),
      top_twentieth: share(calibration.top_twentieth, "people.json: the score of one person in twenty"),
    },
    quantiles: { users: table(quantiles.users, "users"), repositories: table(quantiles.repositories, "repositories") },
    developers: list(content.developers, 10_000, "people.json: developers").map((value) => {
      const person = record(value, "a developer");
      const login = text(person.login, 60, "a developer's login");
      return {
        login,
        name: text(person.name, 400, `name of ${login}`),
        stars_used: whole(person.stars_used, 0, 1e9, `stars of ${login}`),
        vector: floats(person.vector, model.d, `vector of ${login}`),
      };
    }),
  };
}

/**
 * A data file's address; its hash in the query keeps a copy of another version, kept by the browser, from being used.
 * @param {URL | string} base
 * @param {string} name
 * @param {Model} model
 */
export function addressed(base, name, model) {
  return new URL(`${name}?${model.files[name].sha256.slice(0, 16)}`, base);
}

/** @param {URL} url @param {RequestInit} [options] */
async function json(url, options) {
  const response = await get(url, options);
  try {
    return record(await response.json(), url.pathname);
  } catch (error) {
    if (error instanceof BundleError) throw error;
    throw new BundleError(`${url.pathname.split("/").pop()} is no JSON.`);
  }
}

/** @param {unknown} value @param {string} what */
function scalars(value, what) {
  const entries = Object.entries(record(value, what));
  check(entries.every(([, v]) => typeof v === "number" || typeof v === "string"), `${what} holds more than numbers and texts.`);
  return /** @type {Record<string, string | number>} */ (Object.fromEntries(entries));
}

/** @param {Record<string, unknown>} metrics @returns {Record<string, Score>} */
function scores(metrics) {
  return Object.fromEntries(
    Object.entries(metrics).map(([metric, value]) => {
      const score = record(value, metric);
      const end = (/** @type {unknown} */ v) => (v === null ? null : finite(v, metric));
      return [metric, { value: finite(score.value, metric), low: end(score.low), high: end(score.high) }];
    }),
  );
}

/** @param {unknown} value @param {string} what */
function share(value, what) {
  const number = finite(value, what);
  check(number >= 0 && number <= 1, `${what} is not from 0 to 1.`);
  return number;
}

/** @param {unknown} value @param {string} name */
function table(value, name) {
  const numbers = list(value, 1001, `quantiles of ${name}`).map((q) => finite(q, `quantiles of ${name}`));
  check(numbers.length === 1001, `quantiles of ${name} are ${numbers.length}, not 1001.`);
  return Float32Array.from(numbers);
}
