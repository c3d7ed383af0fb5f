// Loads and validates data/trends.gz: stars by month, what is rising, and the curves of fields. The file is written by
// starvec_assets/export/trends_file.py, which describes it.

import { lazyFile } from "./engine/data_file.js";
import { TRENDS_FILE } from "./engine/model.js";
import { asArray, asFiniteNumber, asInteger, asObject, asString, assert, readHeader } from "./engine/validate.js";

/** @import { Model } from "./engine/model.js" */

/**
 * @typedef {(number | null)[]} Series a value for each month, null in a gap
 * @typedef {"rising" | "most_stars" | "bursts"} RankingName
 *
 * @typedef {object} Ranked a repository of a ranking
 * @property {number} row
 * @property {string} born day of its creation, or of its first star in the data where that is unknown: YYYY-MM-DD
 * @property {string} category of the radar, "" for none
 * @property {number} cluster of the map, -1 for none
 * @property {number} stars in the last 28 days, as counted
 * @property {number | null} total stars at the end of the days compared, null where it is unknown
 * @property {number} perDay stars a day, corrected for what the data lack; `low` and `high` are its interval
 * @property {number} low
 * @property {number} high
 * @property {number | null} growth stars expected in 28 days for each star so far, null where the total is unknown
 * @property {number} burst how many times its usual share of all stars; `burstLow` is the lower end of its interval
 * @property {number} burstLow
 * @property {number} burstDays last days that are compared with the days before
 *
 * @typedef {object} Field
 * @property {"category" | "cluster" | "language"} kind
 * @property {string} key names the field in an address, unlike all others of its kind
 * @property {string} name to show
 * @property {number} cluster id of a cluster of the map, -1 for other kinds
 * @property {Series} share of the stars of all repositories
 *
 * @typedef {{source: "log" | "github", first: string, last: string}} Window days that are compared, YYYY-MM-DD
 */

/** @type {RankingName[]} */
const RANKINGS = ["rising", "most_stars", "bursts"];
const KINDS = ["category", "cluster", "language"];
const NO_VALUE = 255; // code of a gap
const STEPS = 12; // codes for each doubling of a month's stars
const MAX_MONTHS = 240;
const MAX_RANKED = 10_000;
const MAX_FIELDS = 10_000;
const MAX_SENTENCES = 100;
const MAX_NAME_LENGTH = 200;
const MAX_SENTENCE_LENGTH = 1000;

export class Trends {
  #codes;
  /** Position of each row that has a curve. @type {Map<number, number>} */
  #position;

  /**
   * @param {ArrayBuffer} bytes inflated
   * @param {Model} model
   * @throws {BundleError}
   */
  constructor(bytes, { n }) {
    const { content, end } = readHeader(bytes, TRENDS_FILE);
    /** YYYY-MM, ascending and without holes. */
    this.months = asArray(content.months, MAX_MONTHS, "trends.gz: months").map(asMonth);
    /** Why a month is a gap, by month. */
    this.gaps = new Map(
      Object.entries(asObject(content.gaps, "trends.gz: gaps"))
        .slice(0, MAX_MONTHS)
        .map(([month, reason]) => [asMonth(month), asSentence(reason)]),
    );
    const window = content.window === null ? null : asObject(content.window, "trends.gz: window");
    /** @type {Window | null} */
    this.window = window && {
      source: window.source === "github" ? "github" : "log",
      first: asDay(window.first),
      last: asDay(window.last),
    };
    /** What is not shown, and why. */
    this.notes = asArray(content.notes, MAX_SENTENCES, "trends.gz: notes").map(asSentence);
    /** Stars of the last 28 days that whatever is listed has. */
    this.leastStars = asInteger(content.least_stars, 0, 1e9, "trends.gz: least_stars");
    this.fields = asArray(content.fields, MAX_FIELDS, "trends.gz: fields").map((field) =>
      asField(field, this.months.length),
    );
    /** Best first. */
    this.rankings = /** @type {Record<RankingName, Ranked[]>} */ (
      Object.fromEntries(RANKINGS.map((name) => [name, asRanking(content[name], n)]))
    );
    const m = asInteger(content.repositories, 0, n, "trends.gz: repositories");
    const size = end + 4 * m + this.months.length * m;
    assert(bytes.byteLength === size, `trends.gz holds ${bytes.byteLength} bytes, not ${size}.`);
    const rows = new Uint32Array(bytes, end, m);
    assert(
      rows.every((row, i) => row < n && (i === 0 || row > rows[i - 1])),
      "trends.gz names a repository that is not in the bundle.",
    );
    this.#position = new Map(Array.from(rows, (row, i) => [row, i]));
    this.#codes = new Uint8Array(bytes, end + 4 * m);
    for (let i = m; i < this.#codes.length; i++) this.#codes[i] += this.#codes[i - m]; // modulo 256
  }

  /**
   * Stars of a repository in each month, corrected for what the data lack; null for a repository without a curve.
   * @param {number} row
   * @returns {Series | null}
   */
  series(row) {
    const at = this.#position.get(row);
    if (at === undefined) return null;
    return this.months.map((_, month) => {
      const code = this.#codes[month * this.#position.size + at];
      return code === NO_VALUE ? null : Math.round(2 ** (code / STEPS) - 1);
    });
  }

  /**
   * Sum of the curves of clusters of the map, null without any.
   * @param {number[]} clusters ids
   * @returns {Series | null}
   */
  shareOfClusters(clusters) {
    const chosen = this.fields.filter(({ kind, cluster }) => kind === "cluster" && clusters.includes(cluster));
    if (!chosen.length) return null;
    return this.months.map((_, month) =>
      chosen.reduce(
        (/** @type {number | null} */ sum, { share }) =>
          sum === null || share[month] === null ? null : sum + /** @type {number} */ (share[month]),
        0,
      ),
    );
  }

  /**
   * The category or the cluster that an address names, by its key or, in any letter case, by its name.
   * @param {string} wanted
   */
  field(wanted) {
    const fields = this.fields.filter(({ kind }) => kind !== "language");
    const lowered = wanted.toLowerCase();
    return fields.find(({ key }) => key === wanted) ?? fields.find(({ name }) => name.toLowerCase() === lowered);
  }

  /** The language of a name, in any letter case. @param {string} wanted */
  language(wanted) {
    return this.fields.find(({ kind, name }) => kind === "language" && name.toLowerCase() === wanted.toLowerCase());
  }
}

/** Load the trends at the first call. */
export const loadTrends = lazyFile(TRENDS_FILE, (bytes, model) => new Trends(bytes, model));

/** Key of a cluster of the map in an address. @param {number} id */
export const clusterKey = (id) => `cluster-${id}`;

/** @param {unknown} value */
function asMonth(value) {
  const month = asString(value, 7, "trends.gz: a month");
  assert(/^\d{4}-(0[1-9]|1[0-2])$/.test(month), "trends.gz: a month is not written YYYY-MM.");
  return month;
}

/** @param {unknown} value */
function asDay(value) {
  const day = asString(value, 10, "trends.gz: a day");
  assert(/^\d{4}-\d{2}-\d{2}$/.test(day) && !Number.isNaN(Date.parse(day)), "trends.gz: a day is not YYYY-MM-DD.");
  return day;
}

/** @param {unknown} value */
const asSentence = (value) => asString(value, MAX_SENTENCE_LENGTH, "trends.gz: a note");

/**
 * @param {unknown} value
 * @param {string} what
 */
const asNumberOrNull = (value, what) => (value === null ? null : asFiniteNumber(value, what));

/**
 * @param {unknown} value
 * @param {number} months
 * @returns {Field}
 */
function asField(value, months) {
  const field = asObject(value, "trends.gz: a field");
  const kind = asString(field.kind, MAX_NAME_LENGTH, "trends.gz: kind of a field");
  assert(KINDS.includes(kind), "trends.gz: a field is of no kind that this page knows.");
  const name = asString(field.name, MAX_NAME_LENGTH, "trends.gz: name of a field");
  const cluster = kind === "cluster" ? asInteger(field.cluster, 0, 2 ** 31, "trends.gz: cluster of a field") : -1;
  const share = asArray(field.share, months, "trends.gz: share").map((part) =>
    asNumberOrNull(part, "trends.gz: share"),
  );
  assert(share.length === months, `trends.gz: the shares of a field are not ${months}.`);
  return {
    kind: /** @type {Field["kind"]} */ (kind),
    key: kind === "cluster" ? clusterKey(cluster) : name,
    name,
    cluster,
    share,
  };
}

/**
 * @param {unknown} value lists of equal length, by name
 * @param {number} n rows of the bundle
 * @returns {Ranked[]}
 */
function asRanking(value, n) {
  const columns = asObject(value, "trends.gz: a ranking");
  const rows = asArray(columns.row, MAX_RANKED, "trends.gz: rows of a ranking");
  const column = (/** @type {string} */ name) => {
    const values = asArray(columns[name], MAX_RANKED, `trends.gz: ${name}`);
    assert(values.length === rows.length, `trends.gz: ${name} are not ${rows.length}.`);
    return values;
  };
  const [born, category, cluster, total, growth] = ["born", "category", "cluster", "total", "growth"].map(column);
  const numbers = (/** @type {string} */ name) => column(name).map((one) => asFiniteNumber(one, `trends.gz: ${name}`));
  const [stars, perDay, low, high] = ["stars", "per_day", "low", "high"].map(numbers);
  const [burst, burstLow, burstDays] = ["burst", "burst_low", "burst_days"].map(numbers);
  return rows.map((row, i) => ({
    row: asInteger(row, 0, n - 1, "trends.gz: row of a ranking"),
    born: asDay(born[i]),
    category: category[i] === null ? "" : asString(category[i], MAX_NAME_LENGTH, "trends.gz: a category"),
    cluster: cluster[i] === null ? -1 : asInteger(cluster[i], -1, 2 ** 31, "trends.gz: a cluster"),
    total: asNumberOrNull(total[i], "trends.gz: total"),
    growth: asNumberOrNull(growth[i], "trends.gz: growth"),
    ...{ stars: stars[i], perDay: perDay[i], low: low[i], high: high[i] },
    ...{ burst: burst[i], burstLow: burstLow[i], burstDays: burstDays[i] },
  }));
}
