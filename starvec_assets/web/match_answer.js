// Who of a team matches, in order and each with why: by matching.js, in the words of repositories.

import { namesNear } from "./card_maker.js";
import { announce, errorMessage, h, isolated, replace } from "./dom.js";
import { closeness, contributions, hasWish, interestsOf, sharedInterests, sharedParts, wouldStar } from "./matching.js";
import { repositoryLinks } from "./repo_list.js";
import { formatPercent, nearnessPercentile, pairPercentile } from "./scoring.js";
import { memberName } from "./team.js";

/** @import { Child } from "./dom.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */
/** @typedef {{person: Person, number: string, label: string, why: Promise<Child[]>}} Ranked */

/**
 * Who is like one of a team.
 * @param {App} app
 * @param {Person} asking
 * @param {Person[]} others
 * @returns {Child[]}
 */
export function likeThem(app, asking, others) {
  const own = new NamedInterests(app, asking);
  const ranked = others
    .map((person) => ({ person, match: pairPercentile(app.people, asking, person) }))
    .sort((a, b) => b.match - a.match);
  return [
    hint(
      `The share of pairs of people with about as many stars who are less alike than ${memberName(asking)} and each of them.`,
    ),
    rankingList(
      ranked.map(({ person, match }) => ({
        person,
        number: formatPercent(match),
        label: "more alike than",
        why: inCommon(own, new NamedInterests(app, person)),
      })),
    ),
  ];
}

/**
 * Who has what one of a team looks for, and that person's interests.
 * @param {App} app
 * @param {Person} asking
 * @param {Person[]} others
 * @param {Float32Array} wish unit vector
 * @returns {Child[]}
 */
export function haveWish(app, asking, others, wish) {
  if (!asking.prototypes)
    return [
      h(
        "p",
        { class: "error", role: "alert" },
        `${onlyMean(asking)} What others share with it cannot be told: let somebody else ask.`,
      ),
    ];
  const own = new NamedInterests(app, asking);
  const ranked = others
    .map((person) => new NamedInterests(app, person))
    .map((theirs) => ({ theirs, fit: hasWish(own.interests, theirs.interests, wish) }))
    .sort((a, b) => b.fit - a.fit);
  return [
    hint(
      `Ordered by the fit, 0 to 100: the root of two shares multiplied, of the interests that are those of ${memberName(asking)}, and of nearness to what is looked for.`,
    ),
    rankingList(
      ranked.map(({ theirs, fit }) => ({
        person: theirs.person,
        number: String(Math.floor(100 * fit)),
        label: "fit",
        why: hasBoth(app, own, theirs, wish),
      })),
    ),
  ];
}

/**
 * Who of a team would star a repository, or something like a text.
 * @param {App} app
 * @param {Person[]} team
 * @param {Float32Array} place of it, a unit vector
 * @param {number} row of the repository, -1 for a text
 * @returns {Child[]}
 */
export function wouldStarIt(app, team, place, row) {
  const already = team.filter(({ starred }) => starred.includes(row));
  const unranked = team.filter(({ starsUnknown }) => starsUnknown);
  const ranked = team
    .filter((person) => !already.includes(person) && !unranked.includes(person))
    .map((person) => ({ person, score: wouldStar(interestsOf(person), person.starsUsed, place) }))
    .sort((a, b) => b.score - a.score);
  const names = unranked.map(memberName).join(", ");
  return [
    hint(
      "Ordered by how near somebody’s stars are, and how many they are: who stars more repositories is likelier to star this one. The percentage is another measure: the share of people with about as many stars whose profile is less near.",
    ),
    already.length > 0 && h("p", {}, "You starred it already."),
    rankingList(
      ranked.map(({ person }) => {
        const nearness = nearnessPercentile(app.people, person, place);
        return {
          person,
          number: nearness === null ? "" : formatPercent(nearness),
          label: "nearer than",
          why: throughStars(app, person, place),
        };
      }),
    ),
    unranked.length > 0 && hint(`Not ranked, as their links do not tell how many stars they are made of: ${names}.`),
  ];
}

/** @param {string} text */
const hint = (text) => h("p", { class: "hint" }, text);

/** That of a person only the mean is known. @param {Person} person */
const onlyMean = (person) =>
  `Of ${memberName(person)} only the mean of the stars is known, from a link that is no card.`;

/** A person's interests, each named once by the repositories nearest to it. */
class NamedInterests {
  #app;
  /** Of each interest. @type {Map<number, Promise<string[]>>} */
  #names = new Map();

  /**
   * @param {App} app
   * @param {Person} person
   */
  constructor(app, person) {
    this.#app = app;
    this.person = person;
    this.interests = interestsOf(person);
  }

  /**
   * Links to the repositories nearest to the interest that contributes most.
   * @param {number[]} parts contribution of each
   */
  async links(parts) {
    const most = parts.indexOf(Math.max(...parts));
    const names = this.#names.get(most) ?? namesNear(this.#app, this.interests.directions[most]);
    this.#names.set(most, names);
    return repositoryLinks(await names);
  }
}

/**
 * What two people have in common.
 * @param {NamedInterests} own
 * @param {NamedInterests} theirs
 * @returns {Promise<Child[]>}
 */
async function inCommon(own, theirs) {
  const means = [own.person, theirs.person].filter(({ prototypes }) => !prototypes);
  const share = Math.floor(100 * sharedInterests(own.interests, theirs.interests));
  return [
    `in common: ${means.length ? "" : `${share}\u00a0% of the interests of ${memberName(own.person)}, mostly `}near `,
    ...(await own.links(sharedParts(own.interests, theirs.interests))),
    `. ${means.map(onlyMean).join(" ")}`,
  ];
}

/**
 * Why somebody has what is looked for, and what they have in common with who asks.
 * @param {App} app
 * @param {NamedInterests} own
 * @param {NamedInterests} theirs
 * @param {Float32Array} wish
 * @returns {Promise<Child[]>}
 */
async function hasBoth(app, own, theirs, wish) {
  const nearness = nearnessPercentile(app.people, theirs.person, wish);
  return [
    "nearest to the wish: what they star near ",
    ...(await theirs.links(contributions(theirs.interests, wish))),
    nearness !== null && `, ahead of ${formatPercent(nearness)} of people with about as many stars`,
    "; ",
    ...(await inCommon(own, theirs)),
  ];
}

/**
 * The stars, or the direction of stars, through which somebody is near to a place.
 * @param {App} app
 * @param {Person} person
 * @param {Float32Array} place
 * @returns {Promise<Child[]>}
 */
async function throughStars(app, person, place) {
  if (person.starred.length) {
    const names = await namesNear(app, place, { filter: { only: person.starred } });
    return ["because of ", ...repositoryLinks(names)];
  }
  const theirs = new NamedInterests(app, person);
  if (!closeness(theirs.interests, place)) return ["nothing that they star is near to it"];
  const links = await theirs.links(contributions(theirs.interests, place));
  return ["through what they star near ", ...links, !person.prototypes && `. ${onlyMean(person)}`];
}

/**
 * People in order, each with a number and why.
 * @param {Ranked[]} ranked
 */
function rankingList(ranked) {
  if (ranked.length) announce(`First of ${ranked.length}: ${memberName(ranked[0].person)}`);
  return h("ol", { class: "ranking" }, ...ranked.map(rankedPerson));
}

/** @param {Ranked} ranked */
function rankedPerson({ person, number, label, why }) {
  const reason = h("p", { class: "why" }, "…");
  why.then(
    (content) => replace(reason, ...content),
    (error) => replace(reason, errorMessage(error)),
  );
  return h(
    "li",
    {},
    h("span", { class: "match", title: label }, h("span", { class: "visually-hidden" }, `${label} `), number),
    h("div", {}, h("h3", {}, isolated(memberName(person))), reason),
  );
}
