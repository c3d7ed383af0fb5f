// State that all views share: the bundle, the engine and the current user. Kept in memory only; a reload clears it.

import { Catalogue } from "./engine/catalogue.js";
import { Engine } from "./engine/engine.js";
import { loadModel, loadPeople } from "./engine/model.js";
import { NameIndex } from "./name_search.js";

/** @import { Model, People } from "./engine/model.js" */
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
 * @property {string} token GitHub token that the visitor pasted, "" without one
 * @property {{language: string, minStars: number, fame: number}} filters of the lists of repositories
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
    token: "",
    filters: { language: "", minStars: 0, fame: 0 },
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

/** Where the stars came from, in words. @param {App} app */
export const dataSources = ({ model }) =>
  Array.isArray(model.buildInfo.sources)
    ? model.buildInfo.sources.map((source) => String(source).slice(0, 200)).join("; ")
    : "an unnamed source";
