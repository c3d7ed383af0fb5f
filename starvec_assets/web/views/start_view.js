// First view: what the page does, the radars of some developers, and the fields for a login and a repository.

import { combobox } from "../combobox.js";
import { chips, formatCount, formatMegabytes, h, replace } from "../dom.js";
import { introduction } from "../introduction.js";
import { radar } from "../radar.js";
import { skillPercentiles, starRange } from "../scoring.js";
import { strongestFields } from "../skill_words.js";
import {
  dataSources,
  developerHref,
  downloadSize,
  firstRows,
  isSimulated,
  NAME_FILES,
  searchHref,
  similarHref,
  WORDS_INDEX,
} from "../state.js";
import { EXAMPLES } from "./search_view.js";

/** @import { App } from "../state.js" */

const SHOWCASE_SIZE = 5;
/** Logins shown first in the showcase, if the bundle has them. */
const SHOWCASE_LOGINS = [
  "torvalds",
  "antirez",
  "gaearon",
  "karpathy",
  "mitchellh",
  "yyx990803",
  "gvanrossum",
  "bcantrill",
];

/** @param {App} app */
export function startView(app) {
  const examples = h("p", { class: "examples" });
  app.engine.repositories(firstRows(app.model, 3)).then(
    (mostStarred) =>
      replace(
        examples,
        "Try ",
        ...chips(mostStarred.map(({ name }) => [similarHref([name]), name])),
        ...chips(EXAMPLES.slice(0, 2).map((text) => [searchHref(text), text])),
      ),
    () => {},
  );
  return [
    introduction(showcase(app)),
    h(
      "section",
      { class: "repository-search" },
      h("h2", {}, "Or find a repository"),
      combobox(app, {
        id: "repository",
        label: "Its name, or what it should do",
        hint: `Searched on this device: names are loaded with the page (${formatMegabytes(downloadSize(app, NAME_FILES))}), the words of descriptions with the first search (${formatMegabytes(downloadSize(app, [WORDS_INDEX]))}).`,
        button: "Search",
        onChoose: ({ name }) => {
          location.hash = similarHref([name]);
        },
        onMissing: (name) => {
          location.hash = similarHref([name]);
        },
      }),
      examples,
    ),
    dataFacts(app),
  ];
}

/** Radars of a few developers of the bundle, one at a time. @param {App} app */
function showcase(app) {
  const { developers, categories } = app.people;
  const preferred = SHOWCASE_LOGINS.map((login) => developers.find((developer) => developer.login === login)).filter(
    (developer) => developer !== undefined,
  );
  const topScores = new Map(developers.map((one) => [one, Math.max(...skillPercentiles(app.people, one))]));
  const others = [...topScores].sort(([, a], [, b]) => b - a).map(([developer]) => developer);
  const shown = [...new Set([...preferred, ...others])].slice(0, SHOWCASE_SIZE);
  if (!shown.length || !categories.length) return null;
  const figure = h("figure", { class: "showcase" });
  const show = (/** @type {number} */ selected) => {
    const developer = shown[selected];
    const titles = categories.map((category) => category.title);
    const percentiles = skillPercentiles(app.people, developer);
    replace(
      figure,
      radar(titles, [{ label: developer.name, percentiles }]),
      h(
        "figcaption",
        {},
        h("a", { href: developerHref(developer.login) }, developer.name),
        `, from ${formatCount(developer.starsUsed)} stars. `,
        strongestFields(titles, percentiles, starRange(app.people, developer.starsUsed)),
      ),
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "Developers to look at" },
        ...shown.map((developer, i) =>
          h(
            "button",
            {
              id: `show-${i}`,
              type: "button",
              class: "chip",
              "aria-pressed": String(i === selected),
              onclick: () => show(i),
            },
            developer.name,
          ),
        ),
      ),
    );
  };
  show(0);
  return figure;
}

/** Numbers and source of the data. @param {App} app */
function dataFacts(app) {
  const { first, last, users } = app.model.dataWindow;
  /** @type {[string, string][]} */
  const facts = [["repositories", formatCount(app.model.n)]];
  if (users) facts.push(["people who starred them", formatCount(Number(users))]);
  if (first && last) facts.push(["when they did", first === last ? String(first) : `${first} to ${last}`]);
  return h(
    "section",
    { class: "facts-row" },
    h("dl", {}, ...facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    !isSimulated(app) &&
      h("p", { class: "hint" }, `Stars are from ${dataSources(app)}. `, h("a", { href: "#/about" }, "How it was made")),
  );
}
