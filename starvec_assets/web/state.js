// State that all views share: the bundle, the engine and the current user. Kept in memory only; a reload clears it.

import { Catalogue } from "./engine/catalogue.js";
import { Engine } from "./engine/engine.js";
import { loadModel, loadPeople } from "./engine/model.js";
import { NameIndex } from "./name_search.js";

/** @import { Model, People } from "./engine/model.js" */
/** @import { RepositoryFacts } from "./github.js" */
/** @import { Person } from "./scoring.js" */

/**
 * @typedef {object} App
 * @property {Model} model
 * @property {People} people
 * @property {Catalogue} catalogue
 * @property {Engine} engine
 * @property {NameIndex | null} nameIndex null until `nameIndexReady`
 * @property {Promise<void>} nameIndexReady
 * @property {Person | null} currentUser person who was looked up last
 * @property {string} pendingLogin login that was just entered and that the profile view looks up at once
 * @property {boolean} downloadConsented whether the visitor started something beside which the download's size is shown
 * @property {Map<string, RepositoryFacts>} askedRepositories repositories that GitHub was asked about, by lower-case name
 * @property {string} token GitHub token that the visitor pasted, "" without one
 * @property {{language: string, minStars: number, months: number, fame: number}} filters of the lists of repositories
 */

/**
 * Load the model and the people, and start loading the rest.
 * @param {URL} base address of data/
 * @returns {Promise<App>}
 */
export async function openApp(base) {
  const model = await loadModel(base);
  const people = await loadPeople(base, model);
  const catalogue = Catalogue.open(base, model);
  /** @type {App} */
  const app = {
    model,
    people,
    catalogue,
    engine: Engine.open(base, model),
    nameIndex: null,
    nameIndexReady: catalogue.namesReady.then(() => {
      app.nameIndex = new NameIndex(catalogue.ownNames);
    }),
    currentUser: null,
    pendingLogin: "",
    downloadConsented: false,
    askedRepositories: new Map(),
    token: "",
    filters: { language: "", minStars: 0, months: 0, fame: 0 },
  };
  app.nameIndexReady.catch(() => {}); // shown beside the field that searches names
  return app;
}

/**
 * Address of the repositories similar to those of `plus` and unlike those of `minus`.
 * @param {string[]} plus
 * @param {string[]} [minus]
 * @param {number} [purpose] from -1, starred by the same people, to 1, of the same purpose
 */
export function similarHref(plus, minus = [], purpose = 0) {
  const parameters = (/** @type {string} */ key, /** @type {string[]} */ names) =>
    names.map((name) => `${key}=${encodeURIComponent(name).replaceAll("%2F", "/")}`);
  const dial = purpose ? [`purpose=${purpose}`] : [];
  return `#/similar?${[...parameters("plus", plus), ...parameters("minus", minus), ...dial].join("&")}`;
}

/** File that is downloaded with the first search by words. */
export const WORDS_INDEX = "words.index";

/** Characters of a query or pasted text that are searched for. */
export const MAX_QUERY_LENGTH = 10_000;

/**
 * Address of the repositories and people that a text describes.
 * @param {string} query
 * @param {boolean} [inStars] only among the stars of the current user
 */
export const searchHref = (query, inStars = false) =>
  `#/search?q=${encodeURIComponent(wellFormed(query.trim().slice(0, MAX_QUERY_LENGTH)))}${inStars ? "&in=stars" : ""}`;

/** `text` without halves of surrogate pairs, which no address can hold. @param {string} text */
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "");

/**
 * Address of what is rising, filtered.
 * @param {Record<string, string>} parameters see views/rising_view.js; empty ones are left out
 */
export function risingHref(parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const parts = given.map(([key, value]) => `${key}=${encodeURIComponent(wellFormed(value))}`);
  return parts.length ? `#/rising?${parts.join("&")}` : "#/rising";
}

/** Address of a developer's profile. @param {string} login */
export const developerHref = (login) => `#/dev/${encodeURIComponent(login)}`;

/** Address of the profile of anybody on GitHub. @param {string} login */
export const userHref = (login) => `#/user/${login}`;

/**
 * Bytes of those of `files` that the bundle has.
 * @param {App} app
 * @param {string[]} files
 */
export const downloadSize = (app, files) => files.reduce((sum, name) => sum + (app.model.files[name]?.bytes ?? 0), 0);

/** Name to show for a developer or the owner of a shared link. @param {Person} person */
export const displayName = (person) => person.name || person.login || "Somebody";

/**
 * Whether too few people starred a repository, so that its place is by its text.
 * @param {App} app
 * @param {number} row
 */
export const isPlacedByText = ({ model }, row) => row >= model.n - model.placed;

/** Where the stars came from, in words. @param {App} app */
export const dataSources = ({ model }) =>
  Array.isArray(model.buildInfo.sources)
    ? model.buildInfo.sources.map((source) => String(source).slice(0, 200)).join("; ")
    : "an unnamed source";
