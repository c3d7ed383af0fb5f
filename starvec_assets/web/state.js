// State that all views share: the bundle, the engine and the current user. Kept in memory only; a reload clears it.

import { loadPeople } from "./engine/model.js";
import { base, opening, savesData } from "./startup.js";

/** @import { Engine } from "./engine/engine.js" */
/** @import { Model, People } from "./engine/model.js" */
/** @import { RepositoryFacts } from "./github.js" */
/** @import { Filters } from "./list_filters.js" */
/** @import { Person } from "./scoring.js" */

/**
 * @typedef {object} App
 * @property {Model} model
 * @property {People} people
 * @property {Engine} engine
 * @property {Person | null} currentUser person who was looked up last
 * @property {Person[]} team developers and owners of links who were put together
 * @property {string} pendingLogin login that was just entered and that the profile view looks up at once
 * @property {boolean} downloadConsented whether vectors may be downloaded: at once, or where the browser asks to save data
 *   when the visitor started something beside which the size is shown
 * @property {Map<string, RepositoryFacts>} askedRepositories repositories that GitHub was asked about, by lower-case name
 * @property {string} token GitHub token that the visitor pasted, "" without one
 * @property {Filters} filters of the lists of repositories
 */

/**
 * Load the people, and give the views what they share.
 * @returns {Promise<App>}
 */
export async function openApp() {
  const { model, engine } = await opening;
  const people = await loadPeople(base, model);
  return {
    model,
    people,
    engine,
    currentUser: null,
    team: [],
    pendingLogin: "",
    downloadConsented: !savesData,
    askedRepositories: new Map(),
    token: "",
    filters: { language: "", topic: "", minStars: 0, months: 0, fame: 0 },
  };
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
 * Bytes of those of `files` that the bundle has; of the vectors, without the first rows, which come with the names.
 * @param {App} app
 * @param {string[]} files
 */
export function downloadSize({ model }, files) {
  const sum = files.reduce((bytes, name) => bytes + (model.files[name]?.bytes ?? 0), 0);
  return files.includes("vectors.hi") ? sum - model.firstRows * model.d : sum;
}

/** Files that are loaded with the page, for what is shown of repositories. */
export const NAME_FILES = ["first.gz", "names.gz", "columns.gz"];

/** Name to show for a developer or the owner of a shared link. @param {Person} person */
export const displayName = (person) => person.name || person.login || "Somebody";

/**
 * The most starred rows, at most so many.
 * @param {Model} model
 * @param {number} most
 */
export const firstRows = ({ n }, most) => Uint32Array.from({ length: Math.min(most, n) }, (_, row) => row);

/** Whether the people of the data are simulated. @param {App} app */
export const isSimulated = ({ model }) => model.buildInfo.simulated === true;

/** What a picture of this page says of itself: what it is made of, and of when. @param {App} app */
export function dataFooter(app) {
  const { first, last, users } = app.model.dataWindow;
  const months = first && last ? `, ${first === last ? first : `${first} to ${last}`}` : "";
  const people = `${Number(users).toLocaleString("en-US")} ${isSimulated(app) ? "simulated people" : "people"}`;
  return `starvec · compared with the GitHub stars of ${people}${months}`;
}

/** Where the stars came from, in words. @param {App} app */
export const dataSources = ({ model }) =>
  Array.isArray(model.buildInfo.sources)
    ? model.buildInfo.sources.map((source) => String(source).slice(0, 200)).join("; ")
    : "an unnamed source";
