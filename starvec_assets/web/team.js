// A team of people: those whom a text or an address names, who of them is the same, and the link that holds them all.

import { developerPerson, findDeveloper, linkedPerson } from "./person.js";
import { encodeCard, encodeProfile, findProfiles, LinkError } from "./share_link.js";
import { displayName } from "./state.js";

/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

export const MAX_PEOPLE = 50;
const MAX_TEXT = 200_000; // characters of a text: fifty cards, and as much beside them
const MAX_PROBLEMS = 5; // that are told of one text

/**
 * The people in a text: links, cards, and logins of listed developers, separated by blanks or lines; or one name.
 * @param {App} app
 * @param {string} text
 * @returns {{people: Person[], problems: string[]}} `problems`: a sentence on each part that is none
 */
export function readPeople(app, text) {
  if (text.length > MAX_TEXT)
    return {
      people: [],
      problems: [
        `That is ${text.length.toLocaleString("en-US")} characters: paste the links alone, at most ${MAX_PEOPLE}.`,
      ],
    };
  const named = findDeveloper(app, text.trim());
  if (named) return { people: [developerPerson(named)], problems: [] };
  /** @type {Person[]} */
  const people = [];
  /** @type {string[]} */
  const problems = [];
  /** @type {string[]} */
  const unknown = [];
  const words = text.split(/\s+/).filter(Boolean);
  const parts = words.flatMap((word) => findProfiles(word) ?? [word]);
  for (const [i, part] of parts.entries()) {
    const developer = findDeveloper(app, part.replace(/^@|,$/g, ""));
    try {
      if (developer) people.push(developerPerson(developer));
      else if (/^\d{1,4}\./.test(part)) people.push(linkedPerson(app, part));
      else unknown.push(part);
    } catch (error) {
      if (!(error instanceof LinkError)) throw error;
      problems.push(parts.length > 1 ? `Part ${i + 1} of ${parts.length}: ${error.message}` : error.message);
    }
  }
  if (unknown.length) problems.push(describeUnknown(unknown));
  const more = problems.length - MAX_PROBLEMS;
  return {
    people,
    problems: more > 0 ? [...problems.slice(0, MAX_PROBLEMS), `And ${more} more like these.`] : problems,
  };
}

/** That some words are nobody, in a sentence. @param {string[]} words */
function describeUnknown(words) {
  const shown = words.slice(0, 3).map((word) => (word.length > 40 ? `${word.slice(0, 40)}…` : word));
  const more = words.length > shown.length ? ` and ${words.length - shown.length} more` : "";
  return `Neither a link nor a listed developer: ${shown.join(", ")}${more}.`;
}

/**
 * The people of `team` and of `newcomers`, each once. Of a card and a link of the same person the card is kept.
 * @param {Person[]} team
 * @param {Person[]} newcomers
 */
export function mergePeople(team, newcomers) {
  const merged = [...team];
  for (const person of newcomers) {
    const at = merged.findIndex((other) => isSamePerson(person, other));
    if (at < 0) merged.push(person);
    else if (person.prototypes && merged[at].kind === "shared" && !merged[at].prototypes) merged[at] = person;
  }
  return merged;
}

/** @param {Person} a @param {Person} b */
const isSamePerson = (a, b) =>
  (a.login !== "" && a.login.toLowerCase() === b.login.toLowerCase()) ||
  a.vector.every((value, i) => value === b.vector[i]);

/** A person's name in a team. @param {Person} person */
export const memberName = (person) => (person.kind === "self" ? `${person.login} (you)` : displayName(person));

/**
 * A person as links hold it: a developer by the login, everybody else by a card, or a profile where there is no card.
 * @param {App} app
 * @param {Person} person
 * @returns {[key: "with" | "card", value: string]}
 */
function memberParameter({ model }, person) {
  if (person.kind === "developer") return ["with", person.login];
  if (person.prototypes) return ["card", encodeCard(person, person.prototypes, person.login, model.id)];
  return ["card", encodeProfile(person, person.login, model.id)];
}

/**
 * Address of the team of this tab with a person in it.
 * @param {App} app
 * @param {Person} person
 */
export function joinHref(app, person) {
  const developers = app.team.filter(({ kind }) => kind === "developer");
  return teamHref(app, person.kind === "self" ? developers : mergePeople(developers, [person]));
}

/**
 * Address of the view of a team.
 * @param {App} app
 * @param {Person[]} people
 * @param {Record<string, string>} [parameters] others, of which empty ones are left out
 */
export function teamHref(app, people, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value);
  const all = [...people.map((person) => memberParameter(app, person)), ...given];
  return `#/match${all.length ? "?" : ""}${all.map(([key, value]) => `${key}=${encodeURIComponent(value)}`).join("&")}`;
}
