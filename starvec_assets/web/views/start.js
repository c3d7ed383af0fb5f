// The first view: what the page does, shown on somebody well known, and the two ways in.

import { developerHref, nearHref, sizeOf, sources } from "../app.js";
import { combobox } from "../combobox.js";
import { chips, count, h, megabytes, replace } from "../dom.js";
import { lookup } from "../lookup.js";
import { skills } from "../profile.js";
import { radar } from "../radar.js";

/** @typedef {import('../app.js').App} App */

const SHOWN = ["torvalds", "antirez", "gaearon", "karpathy", "mitchellh", "yyx990803", "gvanrossum", "bcantrill"];

/**
 * @param {App} app
 * @param {AbortSignal} signal
 */
export function startView(app, signal) {
  const { element: login } = lookup(app, {
    id: "login",
    label: "Your GitHub login",
    button: "Make my profile",
    signal,
    elsewhere: (who) => {
      app.asked = who;
      location.hash = `#/you/${who}`;
      return true;
    },
    onPerson: () => {},
  });
  const examples = h("p", { class: "examples" });
  app.catalogue.namesReady.then(
    () =>
      replace(examples, "Try ", ...chips(app.catalogue.names.slice(0, 5).map((name) => [nearHref([name]), name]))),
    () => {},
  );
  return [
    h(
      "section",
      { class: "hero" },
      h(
        "div",
        {},
        h("h1", { tabindex: -1 }, "What your stars say about you"),
        h(
          "p",
          { class: "lead" },
          "Repositories that the same people star are alike. From that alone: a map of your skills, repositories you would like, and the developers you resemble.",
        ),
        login,
        h(
          "p",
          { class: "promise" },
          "No account, no server: everything is computed in this browser. Only GitHub’s API is asked, for your public stars.",
        ),
      ),
      showcase(app),
    ),
    h(
      "section",
      { class: "second" },
      h("h2", {}, "Or start from a repository"),
      combobox(app, {
        id: "repository",
        label: "Find what is like it",
        hint: `Names are searched on this device: ${megabytes(sizeOf(app, ["names.gz", "columns.gz"]))}, loaded with the page.`,
        button: "Find",
        onChoose: (row) => (location.hash = nearHref([app.catalogue.names[row]])),
        onMissing: (text) => (location.hash = nearHref([text.trim()])),
      }),
      examples,
    ),
    facts(app),
  ];
}

/** Radars of a few developers of the bundle, one at a time. @param {App} app */
function showcase(app) {
  const { developers, categories } = app.people;
  const known = SHOWN.map((login) => developers.find((developer) => developer.login === login)).filter(
    (developer) => developer !== undefined,
  );
  const sharp = (/** @type {import("../engine/model.js").Developer} */ one) =>
    Math.max(...skills(app.people, one.vector));
  const rest = [...developers].sort((a, b) => sharp(b) - sharp(a));
  const some = [...new Set([...known, ...rest])].slice(0, 5);
  if (!some.length || !categories.length) return null;
  const figure = h("figure", { class: "showcase" });
  const show = (/** @type {number} */ which) => {
    const developer = some[which];
    const titles = categories.map((category) => category.title);
    replace(
      figure,
      radar(titles, [{ label: developer.name, scores: skills(app.people, developer.vector) }]),
      h(
        "figcaption",
        {},
        h("a", { href: developerHref(developer.login) }, developer.name),
        `, from ${count(developer.stars_used)} stars`,
      ),
      h(
        "div",
        { class: "chips", role: "group", "aria-label": "Developers to look at" },
        ...some.map((one, i) =>
          h(
            "button",
            {
              id: `show-${i}`,
              type: "button",
              class: "chip",
              "aria-pressed": String(i === which),
              onclick: () => show(i),
            },
            one.name,
          ),
        ),
      ),
    );
  };
  show(0);
  return figure;
}

/** @param {App} app */
function facts(app) {
  const { first, last, users } = app.model.window;
  /** @type {[string, string][]} */
  const told = [["repositories", count(app.model.n)]];
  if (users) told.push(["people who starred them", count(Number(users))]);
  if (first && last) told.push(["when they did", first === last ? String(first) : `${first} to ${last}`]);
  return h(
    "section",
    { class: "facts-row" },
    h("dl", {}, ...told.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value)))),
    h("p", { class: "hint" }, `Stars are from ${sources(app)}. `, h("a", { href: "#/made" }, "How it was made")),
  );
}
