// Who of a team matches, in order and each with why: by matching.js, in the words of repositories.

import { namesNear } from "./card_maker.js";
import { announce, errorMessage, h, isolated, replace } from "./dom.js";
import { closeness, contributions, hasWish, interestsOf, sharedInterests, sharedParts, wouldStar } from "./matching.js";
import { formatPercent, nearnessPercentile, pairPercentile } from "./scoring.js";
import { similarHref } from "./state.js";
import { memberName } from "./team.js";

/** @import { Child } from "./dom.js" */
/** @import { Interests } from "./matching.js" */
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
        why: inCommon(app, asking, person),
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
  const own = interestsOf(asking);
  const ranked = others
    .map((person) => ({ person, fit: hasWish(own, interestsOf(person), wish) }))
    .sort((a, b) => b.fit - a.fit);
  return [
    hint(
      `First who has both: the interests of ${memberName(asking)}, and what is looked for. The number is the fit, 0 to 100: the root of the share of these interests times the nearness to the wish.`,
    ),
    rankingList(
      ranked.map(({ person, fit }) => ({
        person,
        number: String(Math.floor(100 * fit)),
        label: "fit",
        why: hasBoth(app, asking, person, wish),
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
      "First whose stars are nearest, and who stars more: people who star more, star more of this, too. The percentage is the share of people with about as many stars whose profile is less near.",
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

/**
 * What two people have in common.
 * @param {App} app
 * @param {Person} asking
 * @param {Person} other
 * @returns {Promise<Child[]>}
 */
async function inCommon(app, asking, other) {
  const [own, theirs] = [interestsOf(asking), interestsOf(other)];
  const means = [asking, other].filter(({ prototypes }) => !prototypes);
  const share = `${Math.floor(100 * sharedInterests(own, theirs))} % of the interests of ${memberName(asking)}`;
  return [
    means.length ? "in common: near " : `in common: ${share}, mostly near `,
    ...(await linksOf(app, own, sharedParts(own, theirs))),
    `. ${means.map(onlyMean).join(" ")}`,
  ];
}

/**
 * Why somebody has what is looked for, and what they have in common with who asks.
 * @param {App} app
 * @param {Person} asking
 * @param {Person} other
 * @param {Float32Array} wish
 * @returns {Promise<Child[]>}
 */
async function hasBoth(app, asking, other, wish) {
  const theirs = interestsOf(other);
  const nearness = nearnessPercentile(app.people, other, wish);
  return [
    "nearest to the wish: what they star near ",
    ...(await linksOf(app, theirs, contributions(theirs, wish))),
    nearness !== null && `, ahead of ${formatPercent(nearness)} of people with about as many stars`,
    "; ",
    ...(await inCommon(app, asking, other)),
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
  const interests = interestsOf(person);
  if (!closeness(interests, place)) return ["nothing that they star is near to it"];
  const links = await linksOf(app, interests, contributions(interests, place));
  return ["through what they star near ", ...links, !person.prototypes && `. ${onlyMean(person)}`];
}

/**
 * The repositories nearest to the interest that contributes most.
 * @param {App} app
 * @param {Interests} interests
 * @param {number[]} parts contribution of each
 */
const linksOf = async (app, { directions }, parts) =>
  repositoryLinks(await namesNear(app, directions[parts.indexOf(Math.max(...parts))]));

/** Links to repositories, with commas between them. @param {string[]} names */
export const repositoryLinks = (names) =>
  names.flatMap((name, i) => [i ? ", " : "", h("a", { href: similarHref([name]) }, name)]);

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
