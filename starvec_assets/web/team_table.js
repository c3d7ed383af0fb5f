// A team's fields as a table, one row for each person, and in words: who covers what, and what nobody does.

import { h, isolated, pluralize } from "./dom.js";
import { formatRank } from "./radar.js";
import { skillPercentiles } from "./scoring.js";
import { compareHref } from "./share_panel.js";
import { STRONG } from "./skill_words.js";
import { userHref } from "./state.js";
import { memberName } from "./team.js";

/** @import { Child } from "./dom.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */
/** @typedef {{person: Person, percentiles: number[]}} Row */

const MAX_NAMES = 3; // of those who cover a field

/**
 * @param {App} app
 * @param {Person[]} team
 * @param {(person: Person, number: number) => {before: Node, after: Node}} controls beside each name
 * @returns {Child[]}
 */
export function teamTable(app, team, controls) {
  const titles = app.people.categories.map(({ title }) => title);
  const rows = team.map((person) => ({ person, percentiles: skillPercentiles(app.people, person) }));
  const best = titles.map((_, field) => Math.max(...rows.map(({ percentiles }) => Math.floor(percentiles[field]))));
  const cell = (/** @type {number} */ percentile, /** @type {number} */ field) => {
    const isBest = team.length > 1 && Math.floor(percentile) === best[field];
    return h(
      "td",
      { class: `number level-${Math.floor(percentile / 25)}${isBest ? " best" : ""}` },
      formatRank(percentile),
      isBest && h("span", { class: "visually-hidden" }, " best"),
    );
  };
  const head = (/** @type {Person} */ person, /** @type {number} */ i) => {
    const { before, after } = controls(person, i);
    const href = person.kind === "self" ? userHref(person.login) : compareHref(app, [person], true);
    return h(
      "th",
      { scope: "row" },
      h("span", { class: "member" }, before, h("a", { href }, isolated(memberName(person))), after),
      h("span", { class: "aside" }, describeSource(person)),
    );
  };
  return [
    h(
      "p",
      { class: "hint" },
      "How many in 100 people with about as many stars each is ahead of. The highest of a field is framed.",
    ),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "region", "aria-label": "Fields of each person" },
      h(
        "table",
        { class: "team" },
        h("caption", { class: "visually-hidden" }, "How many in 100 people each is ahead of, by field"),
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Person"),
            ...titles.map((title) => h("th", { scope: "col" }, h("span", {}, title))),
          ),
        ),
        h("tbody", {}, ...rows.map((row, i) => h("tr", {}, head(row.person, i), ...row.percentiles.map(cell)))),
      ),
    ),
    ...coverage(titles, rows),
  ];
}

/** What is known of a person. @param {Person} person */
function describeSource(person) {
  const stars = person.starsUnknown ? "number of stars unknown" : pluralize(person.starsUsed, "star");
  const source = { self: "your profile", developer: "listed", shared: person.prototypes ? "by a card" : "by a link" };
  return `${stars}, ${source[person.kind]}`;
}

/**
 * Which fields are covered by whom, and which by nobody.
 * @param {string[]} titles of the fields
 * @param {Row[]} rows
 */
function coverage(titles, rows) {
  const fields = titles.map((title, field) => ({
    title,
    covering: rows
      .map(({ person, percentiles }) => ({ name: memberName(person), percentile: percentiles[field] }))
      .filter(({ percentile }) => percentile >= STRONG)
      .sort((a, b) => b.percentile - a.percentile)
      .map(({ name, percentile }) => `${name} (${formatRank(percentile)})`),
  }));
  const covered = fields.filter(({ covering }) => covering.length);
  const missing = fields.filter(({ covering }) => !covering.length).map(({ title }) => title);
  const names = (/** @type {string[]} */ covering) =>
    covering.length > MAX_NAMES
      ? `${covering.slice(0, MAX_NAMES).join(", ")} and ${covering.length - MAX_NAMES} more`
      : covering.join(", ");
  return [
    missing.length > 0 &&
      h(
        "p",
        { class: "uncovered" },
        h("strong", {}, "Nobody covers "),
        `${missing.join(", ")}: to cover a field, somebody must be ahead of ${STRONG} in 100 people.`,
      ),
    covered.length > 0 &&
      h(
        "dl",
        { class: "coverage" },
        ...covered.map(({ title, covering }) =>
          h("div", {}, h("dt", {}, title), h("dd", {}, isolated(names(covering)))),
        ),
      ),
  ];
}
