// The search worker: holds the catalogue, the planes and the index of words, loads them from this device or the network,
// and searches them. engine.js is the page's side.

import { Catalogue } from "./catalogue.js";
import { fetchInflated } from "./data_file.js";
import { allowedRows, filterBias } from "./filter.js";
import { Lines } from "./lines.js";
import { hasTopics, TOPICS_FILE } from "./model.js";
import { once, Planes } from "./planes.js";
import { findPrototypes } from "./prototypes.js";
import { cosineErrors, personVector, searchBasket, topContributors } from "./recommendation.js";
import { search, unitRows } from "./search.js";
import { BundleError } from "./validate.js";
import { unitVector } from "./vectors.js";

/** @import { Filter } from "./filter.js" */
/** @import { Model } from "./model.js" */
/** @import { Basket } from "./recommendation.js" */

/**
 * @typedef {{base: string} & Pick<Model, "id" | "n" | "placed" | "d" | "textD" | "firstRows" | "textWeights" | "userRule" |
 *   "languages" | "superseded" | "wasm" | "files">} OpenOptions
 * @typedef {typeof answers} Answers
 */

/** @type {OpenOptions} */
let options;
/** @type {Planes} */
let planes;
/** The catalogue of the first rows, null where there is none. */
const loadedFirst = once(async () => {
  const first = await planes.firstRows;
  if (!first) return null;
  const [n, base] = [options.firstRows, new URL(options.base)];
  const superseded = options.superseded.filter((row) => row < n);
  const names = new Lines(first.names, n, "first.gz");
  return new Catalogue(base, { ...options, n, placed: 0, superseded }, names, first.columns);
});
/** The whole catalogue, once it is loaded. @type {Catalogue | null} */
let whole = null;
const loadedCatalogue = once(async () => {
  await loadedFirst().catch(() => null); // which is small and answers first
  whole = await Catalogue.load(new URL(options.base), options);
  return whole;
});

/** The topics, null where the bundle has none. */
const loadedTopics = once(async () => {
  if (!hasTopics(options)) return null;
  const { Topics } = await import("./topics.js");
  return new Topics(await fetchInflated(options.base, TOPICS_FILE, options), options.n);
});

/** What the page may ask for, by the type of its request. */
const answers = {
  catalogue: async () => (await loadedCatalogue()).facts,
  loadDescriptions: async () => (await loadedCatalogue()).loadDescriptions(),

  /** @param {{rows: Uint32Array}} request */
  repositories: async ({ rows }) => {
    const catalogue = await catalogueOf(rows);
    return Array.from(rows, (row) => catalogue.repository(row));
  },
  /** @param {{names: string[]}} request */
  repositoriesNamed: async ({ names }) => {
    const first = whole ?? (await loadedFirst());
    const found = names.map((name) => first?.repositoryNamed(name) ?? null);
    if (found.every(Boolean)) return found;
    const catalogue = await loadedCatalogue();
    return names.map((name) => catalogue.repositoryNamed(name));
  },
  /** @param {{name: string}} request */
  repositoryCalled: async ({ name }) => (await loadedCatalogue()).repositoryCalled(name),
  /** @param {{typed: string, k: number}} request */
  suggest: async ({ typed, k }) => (await loadedCatalogue()).suggest(typed, k),
  /** @param {{name: string, k: number}} request */
  nearestNames: async ({ name, k }) => (await loadedCatalogue()).nearestNames(name, k),
  /** @param {{stars: {id: number, name: string}[]}} request */
  rowsOfStars: async ({ stars }) => (await loadedCatalogue()).rowsOfStars(stars),
  /** @param {{rows: Uint32Array | null}} request */
  languageCodes: async ({ rows }) => {
    const { languageCodes } = await loadedCatalogue();
    return rows ? Uint16Array.from(rows, (row) => languageCodes[row]) : languageCodes.slice();
  },
  /** @param {{filter: Filter}} request */
  allowedRows: async ({ filter }) => allowedRows(await loadedCatalogue(), await withTopic(filter)),
  /** @param {{typed: string, k: number}} request */
  suggestTopics: async ({ typed, k }) => (await loadedTopics())?.suggest(typed, k) ?? [],
  /** @param {{topic: string}} request */
  countTopic: async ({ topic }) => (await loadedTopics())?.count(topic) ?? 0,

  /** @param {{query: Float32Array, k: number, filter: Filter | null}} request */
  search: async ({ query, k, filter }) => {
    const bias = await biasOf(filter);
    const { kernel, n, d, exact } = await planes.vectors();
    return search(kernel, n, d, query, k, bias, exact);
  },
  /** @param {{basket: Basket, k: number, filter: Filter | null}} request */
  searchBasket: async ({ basket, k, filter }) => {
    const bias = await biasOf(filter);
    const text = basket.purpose ? await planes.text() : null;
    const vectors = await planes.vectors([...Array.from(basket.plus), ...Array.from(basket.minus)]);
    return searchBasket(vectors, basket, k, bias, text, options.textWeights);
  },
  /** @param {{rows: Uint32Array}} request */
  vectors: async ({ rows }) => {
    const { kernel, n, d, exact } = await planes.vectors(rows);
    return unitRows(kernel, n, d, rows, exact);
  },
  /** @param {{rows: Uint32Array}} request */
  prototypes: async ({ rows }) => {
    const { kernel, n, d, exact } = await planes.vectors(rows);
    return findPrototypes(unitRows(kernel, n, d, rows, exact), d);
  },
  /** @param {{rows: Uint32Array}} request */
  userVector: async ({ rows }) => {
    const arrived = await planes.arrivedOf(rows);
    const { stars } = await catalogueOf(arrived);
    const vector = personVector(await planes.vectors(arrived), arrived, stars, options.userRule.famePower);
    return { vector, arrived: arrived.length };
  },
  /** @param {{rows: Uint32Array, directions: Float32Array[]}} request */
  cosineErrors: async ({ rows, directions }) => {
    const arrived = await planes.arrivedOf(rows);
    const { stars } = await catalogueOf(arrived);
    return cosineErrors(await planes.vectors(arrived), arrived, directions, stars, options.userRule.famePower);
  },
  /** @param {{starred: Uint32Array, recommended: Uint32Array, k: number}} request */
  contributors: async ({ starred, recommended, k }) => {
    const arrived = await planes.arrivedOf(starred);
    return topContributors(await planes.vectors(recommended), arrived, recommended, k);
  },

  /** @param {{query: string, k: number, filter: Filter | null}} request */
  searchText: async ({ query, k, filter }) => {
    const allowed = filter && allowedRows(await loadedCatalogue(), await withTopic(filter));
    const [index, text] = [await planes.words(), await planes.textOfSearch()];
    const { searchText } = await import("./text_search.js");
    const { kernel, exact } = await planes.vectors();
    return searchText(kernel, index, text, query, k, allowed, exact);
  },
  /** @param {{text: string}} request */
  placeText: async ({ text }) => {
    const index = await planes.words();
    const { tokenize } = await import("./tokenizer.js");
    return unitVector(index.vectors.sum(index.numbers(tokenize(text))));
  },
};

/** The bias of a filter, of the rows that can be told about by now. @param {Filter | null} filter */
const biasOf = async (filter) =>
  filter && filterBias(whole ?? (await loadedFirst()) ?? (await loadedCatalogue()), await withTopic(filter));

/** A filter by rows in place of a topic, whose repositories are loaded at the first one. @param {Filter} filter */
async function withTopic({ topic = "", only = null, ...others }) {
  if (!topic) return { only, ...others };
  const rows = (await loadedTopics())?.rows(topic) ?? new Uint32Array(0);
  const chosen = only && new Set(only);
  return { only: chosen ? rows.filter((row) => chosen.has(row)) : rows, ...others };
}

/**
 * A catalogue that has some rows: the whole one, or that of the first rows while it is loaded.
 * @param {Uint32Array} rows
 */
async function catalogueOf(rows) {
  const first = whole ?? (await loadedFirst());
  return first && rows.every((row) => row < first.n) ? first : loadedCatalogue();
}

/** Download the vectors, after names and numbers, without which no row can be shown. */
async function download() {
  await loadedCatalogue().catch(() => {}); // whoever asks for it sees the failure
  await planes.download();
}

self.onmessage = async ({ data }) => {
  try {
    if (data.type === "ping") post({ type: "pong" });
    else if (data.type === "open") {
      options = data;
      planes = new Planes(new URL(options.base), options, post);
    } else if (data.type === "download") await download();
    else await respond(data);
  } catch (error) {
    // Unexpected errors are posted too: a raw message is better than a page that waits forever.
    const type = data.id === undefined ? "failed" : "error";
    post({ type, id: data.id, message: describeError(error) });
  }
};

/** @param {{type: keyof Answers, id: number}} request */
async function respond(request) {
  const value = await /** @type {(request: unknown) => Promise<unknown>} */ (answers[request.type])(request);
  post({ type: "result", id: request.id, value, bytes: planes.bytes });
}

/** @param {unknown} message */
const post = (message) => self.postMessage(message);

/** @param {unknown} error */
function describeError(error) {
  if (error instanceof BundleError) return error.message;
  return `The search stopped: ${error instanceof Error ? error.message : String(error)}`;
}

post({ type: "hello" });
