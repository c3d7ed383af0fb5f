// What all views share: the bundle, the engine, and the person who sits here. All of it in memory; a reload forgets it.

import { Catalogue } from "./engine/catalogue.js";
import { Engine } from "./engine/engine.js";
import { loadModel, loadPeople } from "./engine/model.js";
import { Names } from "./names.js";

/**
 * @typedef {object} App
 * @property {import('./engine/model.js').Model} model
 * @property {import('./engine/model.js').People} people
 * @property {Catalogue} catalogue
 * @property {Engine} engine
 * @property {Names | null} names null until indexed
 * @property {Promise<void>} namesIndexed
 * @property {import('./profile.js').Person | null} me who was looked up last
 * @property {string} asked login that was just entered and is to be looked up at once
 * @property {boolean} agreed something was asked for where the size of the download stood beside it
 * @property {string} token a GitHub token that the person pasted, '' without one
 * @property {{language: string, leastStars: number, fame: number}} filters of the lists of repositories
 */

/** @param {URL} base of the bundle's data/ @returns {Promise<App>} */
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
    names: null,
    namesIndexed: catalogue.namesReady.then(() => {
      app.names = new Names(catalogue.names);
    }),
    me: null,
    asked: "",
    agreed: false,
    token: "",
    filters: { language: "", leastStars: 0, fame: 0 },
  };
  app.namesIndexed.catch(() => {}); // told where names are asked for
  return app;
}

/** Address of the neighbours of some repositories, less others. @param {string[]} plus @param {string[]} [minus] */
export function nearHref(plus, minus = []) {
  const list = (/** @type {string} */ sign, /** @type {string[]} */ names) =>
    names.map((name) => `${sign}=${encodeURIComponent(name).replaceAll("%2F", "/")}`);
  return `#/near?${[...list("plus", plus), ...list("minus", minus)].join("&")}`;
}

/** Address of a developer's profile. @param {string} login */
export const developerHref = (login) => `#/dev/${encodeURIComponent(login)}`;

/** Bytes of the files of `names` that the bundle has. @param {App} app @param {string[]} names */
export const sizeOf = (app, names) => names.reduce((sum, name) => sum + (app.model.files[name]?.bytes ?? 0), 0);

/** How a developer or a link's owner is called. @param {import('./profile.js').Person} person */
export const called = (person) => person.name || person.login || "Somebody";

/** Where the stars came from, in words. @param {App} app */
export const sources = ({ model }) =>
  Array.isArray(model.made.sources)
    ? model.made.sources.map((source) => String(source).slice(0, 200)).join("; ")
    : "an unnamed source";
