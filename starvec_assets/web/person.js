// The people whom the page knows beside the current user: developers of the bundle, and owners of links.

import { decodeProfile } from "./share_link.js";

/** @import { Developer, People } from "./engine/model.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

/**
 * The listed developer of a login or a name, in any letter case.
 * @param {App} app
 * @param {string} text
 */
export function findDeveloper({ people }, text) {
  const wanted = text.toLowerCase();
  const byLogin = people.developers.find(({ login }) => login.toLowerCase() === wanted);
  return byLogin ?? people.developers.find(({ name }) => name.toLowerCase() === wanted);
}

/**
 * @param {Developer} developer
 * @returns {Person}
 */
export function developerPerson({ login, name, vector, starsUsed, prototypes }) {
  return { ...WITHOUT_STARS, kind: "developer", login, name, vector, starsUsed, prototypes };
}

/**
 * The owner of a link. One that does not say of how many stars it is made is compared with people of the middle bin.
 * @param {App} app
 * @param {string} text the profile in the link
 * @returns {Person}
 * @throws {LinkError}
 */
export function linkedPerson(app, text) {
  const { login, vector, starsUsed, prototypes } = decodeProfile(text, app.model);
  return {
    ...WITHOUT_STARS,
    kind: "shared",
    login,
    name: login,
    vector,
    starsUsed: starsUsed ?? starsOfMiddleBin(app.people),
    starsUnknown: starsUsed === null,
    prototypes: prototypes ?? undefined,
  };
}

/** Least stars of the people of the middle bin. @param {People} people */
const starsOfMiddleBin = ({ lowestStars }) => lowestStars[Math.floor((lowestStars.length - 1) / 2)];

/** What is the same of all whose stars are unknown. */
const WITHOUT_STARS = { starred: new Uint32Array(0), stars: null };
