// Profile of a person: radar, recommended repositories and similar developers; another person is compared with the
// current user, once there is one.

import { cardMaker } from "../card_maker.js";
import { developerList } from "../developer_list.js";
import { chips, formatCount, formatOrdinal, h, isolated, pluralize, replace } from "../dom.js";
import { downloadProgress } from "../download_progress.js";
import { hasMap, hasTrends } from "../engine/model.js";
import { dot, unitVector } from "../engine/vectors.js";
import { withFilters } from "../list_filters.js";
import { loginForm } from "../login_form.js";
import { mapHref } from "../map/address.js";
import { legend, radar, radarTable } from "../radar.js";
import { becauseOf, repoList } from "../repo_list.js";
import {
  formatPercent,
  isRough,
  pairPercentile,
  rankDevelopers,
  skillPercentiles,
  skillRanges,
  starRange,
  vocabularyOf,
} from "../scoring.js";
import { compareHref, sharePanel } from "../share_panel.js";
import { differingFields, strongestFields } from "../skill_words.js";
import { developerHref, displayName, MAX_QUERY_LENGTH, risingHref, searchHref, userHref } from "../state.js";
import { joinHref } from "../team.js";

/** @import { Filter } from "../engine/filter.js" */
/** @import { Series } from "../radar.js" */
/** @import { Person } from "../scoring.js" */
/** @import { App } from "../state.js" */

const COMPARE_CANDIDATES = 4; // for each shown repository, the candidates that are ranked by their lower match

/**
 * Profile of the current user; the form that makes it if `login` was not looked up yet.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} login "" for the person who was looked up last
 */
export function ownProfileView(app, signal, login) {
  const { currentUser } = app;
  const isPending = login !== "" && app.pendingLogin === login;
  app.pendingLogin = "";
  const isCurrent = currentUser && (!login || currentUser.login.toLowerCase() === login.toLowerCase());
  if (isCurrent && !isPending) return profile(app, signal, currentUser);
  const container = h("div", {});
  const { element, submit } = loginForm(app, {
    id: "login",
    label: "Your GitHub login",
    button: "Make my profile",
    signal,
    login,
    useRemembered: !isPending,
    onPerson: (person) => {
      app.currentUser = person;
      replace(container, ...profile(app, signal, person));
      history.replaceState(history.state, "", withFilters(userHref(person.login), app.filters));
      container.querySelector("h1")?.focus();
    },
  });
  if (isPending) submit();
  replace(
    container,
    h(
      "section",
      { class: "narrow" },
      h("h1", { tabindex: -1 }, login ? `The profile of ${login}` : "Your profile"),
      h(
        "p",
        { class: "lead" },
        "Made of your public stars, in this browser. Unless you ask to be remembered, nothing is stored: after a reload the stars are fetched again.",
      ),
      element,
      downloadProgress(app, signal),
    ),
    app.people.developers.length > 0 && h("section", {}, h("h2", {}, "Or look at a developer"), developerChips(app)),
  );
  return [container];
}

/** Links to developers of the bundle. @param {App} app */
function developerChips(app) {
  return h(
    "p",
    { class: "examples" },
    ...chips(app.people.developers.slice(0, 12).map((one) => [developerHref(one.login), one.name])),
  );
}

/**
 * Profile of another person, from the bundle or from a link; compared with the current user if there is one.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} person
 * @param {boolean} alone whether the address asks for the profile without the comparison
 */
export function otherProfileView(app, signal, person, alone) {
  const container = h("div", {});
  const render = () =>
    replace(
      container,
      ...(app.currentUser && !alone
        ? comparison(app, signal, app.currentUser, person)
        : profile(app, signal, person, compareOffer())),
    );
  const compareOffer = () => {
    const heading = h("h2", {}, `Compare ${displayName(person)} with you`);
    if (app.currentUser)
      return h(
        "section",
        { class: "compare-offer" },
        heading,
        h("p", {}, h("a", { href: personHref(app, person) }, `See ${displayName(person)} beside you`)),
      );
    const { element } = loginForm(app, {
      id: "login",
      label: "Your GitHub login",
      button: "Compare",
      signal,
      onPerson: (currentUser) => {
        app.currentUser = currentUser;
        if (alone) location.hash = personHref(app, person);
        else render();
        container.querySelector("h1")?.focus();
      },
    });
    return h("section", { class: "compare-offer" }, heading, element);
  };
  render();
  return [container];
}

/**
 * Two people of a link beside each other.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} first
 * @param {Person} second
 */
export const pairView = (app, signal, first, second) => comparison(app, signal, first, second);

/** Address of a person. @param {App} app @param {Person} person */
const personHref = (app, person) =>
  ({ self: userHref, developer: developerHref, shared: () => compareHref(app, [person], true) })[person.kind](
    person.login,
  );

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} person
 * @param {Node} [compareForm]
 * @returns {(Node | false)[]}
 */
function profile(app, signal, person, compareForm) {
  const isSelf = person.kind === "self";
  const name = displayName(person);
  const words = h("p", { class: "lead strengths" });
  const chart = charts(app, signal, [person], [isSelf ? "you" : name], `${basis(app, person)}${fewness(app, person)}`);
  const sentence = () =>
    `${isRough(app.people, person) ? `Rough: from ${pluralize(person.starsUsed, "star")} only. ` : ""}${strongestFields(fieldTitles(app), skillPercentiles(app.people, person), starRange(app.people, person.starsUsed))}`;
  const soFar = h("p", { class: "hint", hidden: true });
  const draw = () => {
    words.textContent = sentence();
    const { arrived = person.starsUsed, starsUsed } = person;
    soFar.hidden = arrived === starsUsed;
    soFar.textContent = `Made of ${formatCount(arrived)} of your ${pluralize(starsUsed, "star")} so far: the vectors of the others are on their way.`;
    chart.draw();
    if (isSelf) chart.drawRanges();
  };
  draw();
  onRefined(app, person, signal, draw);
  const share = sharePanel(app, {
    people: [person],
    describe: (withLogin) => ({
      title: withLogin || person.kind === "developer" ? name : "What the stars say",
      sentences: [sentence()],
      series: chart.series(),
    }),
  });
  return [
    h(
      "section",
      { class: "profile" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, kicker(person)),
        h("h1", { tabindex: -1 }, isolated(name)),
        words,
        soFar,
      ),
      chart.figure,
      chart.numbers,
      h("div", { class: "passing-on" }, share, isSelf && cardMaker(app, signal, person), personLinks(app, person)),
    ),
    compareForm ?? (isSelf && starsSearch()),
    h(
      "section",
      {},
      h("h2", {}, isSelf ? "Repositories you would like" : `Repositories ${name} would like`),
      h(
        "p",
        { class: "hint" },
        isSelf
          ? "Not starred yet, nearest to your profile first. Below each, the stars of yours that pull it in."
          : "Nearest to this profile first. Which of them are starred already is not known here.",
      ),
      repoList(app, {
        id: "recommended",
        signal,
        fame: true,
        scoreLabel: "match",
        exclude: person.starred,
        search: async (filter, k) => {
          await person.refine?.();
          return app.engine.search(person.vector, { k, filter });
        },
        explain: isSelf
          ? async ({ indices }) => {
              const starred = vocabularyOf(app, person.starred);
              const contributors = await app.engine.contributors(starred, indices);
              const known = await app.engine.repositories(contributors.flat());
              return contributors.map(({ length }) => becauseOf(known.splice(0, length)));
            }
          : undefined,
      }),
    ),
    h(
      "section",
      {},
      h("h2", {}, isSelf ? "Developers like you" : `Developers like ${name}`),
      similarDevelopers(app, signal, person),
    ),
  ];
}

/**
 * Two people beside each other.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} first the current user, or one of the two of a link
 * @param {Person} second
 * @returns {Node[]}
 */
function comparison(app, signal, first, second) {
  const isOwn = first.kind === "self";
  const names = [isOwn ? "you" : displayName(first), displayName(second)];
  const title = isOwn ? `You and ${names[1]}` : names.join(" and ");
  const match = h("p", { class: "lead strengths" });
  const difference = h("p", { class: "lead" });
  const chart = charts(app, signal, [first, second], names);
  const draw = () => {
    match.textContent = describeMatch(app, first, second, names);
    difference.textContent = differingFields(fieldTitles(app), chart.series());
    chart.draw();
  };
  draw();
  onRefined(app, first, signal, draw);
  const share = sharePanel(app, {
    people: [first, second],
    describe: (withLogin) => {
      const labels = [first, second].map((person, i) =>
        withLogin || person.kind === "developer" ? displayName(person) : ["One", "The other"][i],
      );
      const series = chart.series().map((one, i) => ({ ...one, label: labels[i] }));
      const sentences = [describeMatch(app, first, second, labels), differingFields(fieldTitles(app), series)];
      return { title: withLogin ? labels.join(" and ") : "Two people compared", sentences, series };
    },
  });
  const searchForBoth = async (/** @type {Filter} */ filter, /** @type {number} */ k) => {
    await first.refine?.();
    const mean = unitVector(Float32Array.from(first.vector, (x, i) => x + second.vector[i]));
    const { indices, ...found } = await app.engine.search(mean, { k: COMPARE_CANDIDATES * k, filter });
    const rows = await app.engine.vectors(indices);
    const { d } = app.model;
    const ranked = Array.from(indices, (row, i) => {
      const vector = rows.subarray(i * d, (i + 1) * d);
      return { row, cosine: Math.min(dot(vector, first.vector), dot(vector, second.vector)) };
    });
    ranked.sort((a, b) => b.cosine - a.cosine).splice(k);
    return { ...found, indices: ranked.map(({ row }) => row), cosines: ranked.map(({ cosine }) => cosine) };
  };
  const links = [first, second].map((person) =>
    h(
      "a",
      { href: person.kind === "self" ? userHref(person.login) : `${personHref(app, person)}?alone` },
      person.kind === "self" ? "Your profile alone" : `${displayName(person)} alone`,
    ),
  );
  return [
    h(
      "section",
      { class: "profile" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, "A comparison"),
        h("h1", { tabindex: -1 }, isolated(title)),
        match,
        difference,
      ),
      chart.figure,
      chart.numbers,
      h("div", { class: "passing-on" }, share, h("p", { class: "person-links" }, ...links)),
    ),
    h(
      "section",
      {},
      h("h2", {}, "Repositories both would like"),
      h("p", { class: "hint" }, `By the lesser of the two cosines${isOwn ? "; what you starred is left out" : ""}.`),
      repoList(app, {
        id: "for-both",
        signal,
        scoreLabel: "lesser match",
        exclude: first.starred,
        search: searchForBoth,
      }),
    ),
  ];
}

/**
 * How close two people are, compared with people with about as many stars.
 * @param {App} app
 * @param {Person} first
 * @param {Person} second
 * @param {string[]} labels of the two
 */
function describeMatch(app, first, second, labels) {
  const ranked = rankDevelopers(app.people, first);
  const rank = ranked.findIndex(({ developer }) => second.kind === "developer" && developer.login === second.login);
  const isOwn = labels[0] === "you";
  if (rank < 0) {
    const percent = formatPercent(pairPercentile(app.people, first, second));
    return `${isOwn ? "You two are" : "They are"} more alike than ${percent} of pairs of people with about as many stars.`;
  }
  return `${isOwn ? "You are" : `${labels[0]} is`} closer to ${labels[1]} than ${formatPercent(ranked[rank].match)} of people with about as many stars (${formatOrdinal(rank + 1)} of ${pluralize(ranked.length, "developer")}).`;
}

/** Titles of the radar's fields. @param {App} app */
const fieldTitles = ({ people }) => people.categories.map(({ title }) => title);

/**
 * Radar and table of people's fields, empty until `draw`. `drawRanges` is for the current user alone, whose stars are known.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person[]} persons
 * @param {string[]} labels of each of them
 * @param {string} [basis] what the profile was made of, in words
 */
function charts(app, signal, persons, labels, basis = "") {
  const titles = fieldTitles(app);
  /** @type {Series["ranges"]} */
  let ranges;
  const series = () =>
    persons.map((person, i) => ({ label: labels[i], percentiles: skillPercentiles(app.people, person), ranges }));
  const bins = persons.map(({ starsUsed }) => starRange(app.people, starsUsed));
  const stars = new Set(bins).size > 1 ? bins.map((bin, i) => `${labels[i]}: ${bin}`).join("; ") : bins[0];
  const caption = `Distance from the centre: how many in 100 people with about as many stars (${stars}) one is ahead of. The heavier ring, at 50, is the median person.`;
  const certainty = `The small numbers and the shaded band: the range that a number lies in with 80\u00a0% certainty, as far as ${pluralize(persons[0].starsUsed, "star")} can tell.`;
  const figure = h("figure", { class: "portrait" });
  const numbers = h("div", { class: "numbers" });
  const draw = () => {
    figure.classList.toggle("no-animation", figure.childElementCount > 0);
    const shown = series();
    replace(
      figure,
      radar(titles, shown),
      shown.length > 1 && legend(shown),
      h(
        "figcaption",
        { class: "hint" },
        basis && h("p", { class: "basis" }, basis),
        h("p", {}, caption),
        ranges && h("p", {}, certainty),
      ),
    );
    replace(numbers, radarTable(titles, shown));
  };
  const drawRanges = async () => {
    const rows = vocabularyOf(app, persons[0].starred);
    const errors = await app.engine.cosineErrors(
      rows,
      app.people.categories.map(({ direction }) => direction),
    );
    if (signal.aborted || !errors) return;
    ranges = skillRanges(app.people, persons[0], errors);
    draw();
  };
  return { figure, numbers, series, draw, drawRanges };
}

/**
 * Developers of the bundle, closest to `person` first, as closeness is among people with about as many stars.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} person
 */
function similarDevelopers(app, signal, person) {
  const total = rankDevelopers(app.people, person).length;
  if (!total)
    return h(
      "p",
      { class: "hint" },
      "No developers came with this model: too few of those listed gave stars in its data.",
    );
  const { element, render } = developerList(() => rankDevelopers(app.people, person));
  onRefined(app, person, signal, render);
  return h(
    "div",
    {},
    h(
      "p",
      { class: "hint" },
      `The share of people with about as many stars (${starRange(app.people, person.starsUsed)}) who are less close to the developer than ${person.kind === "self" ? "you are" : `${displayName(person)} is`}. The best of ${formatCount(total)} is high for almost everybody, so each has its rank. Choose one to see how you differ.`,
    ),
    element,
  );
}

/** Field that searches by words in the stars of the current user. */
function starsSearch() {
  const input = h("input", { id: "stars-query", type: "search", maxlength: MAX_QUERY_LENGTH, autocomplete: "off" });
  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    if (input.value.trim()) location.hash = searchHref(input.value, true);
    else input.focus();
  };
  return h(
    "form",
    { class: "field-form", role: "search", onsubmit },
    h("label", { for: "stars-query" }, "Search in your stars"),
    h("div", { class: "field" }, input, h("button", { type: "submit" }, "Search")),
  );
}

/**
 * Other views of a person.
 * @param {App} app
 * @param {Person} person
 */
function personLinks(app, person) {
  const { model } = app;
  const { kind, login } = person;
  const isDeveloper = kind === "developer";
  return h(
    "p",
    { class: "person-links" },
    kind !== "shared" && hasMap(model) && h("a", { href: mapHref({ person: isDeveloper ? login : "" }) }, "On the map"),
    kind !== "shared" &&
      hasTrends(model) &&
      h("a", { href: risingHref(isDeveloper ? { like: login } : { for: "you" }) }, "What is rising near it"),
    h("a", { href: joinHref(app, person) }, "Put together with others"),
    isDeveloper && h("a", { href: `https://github.com/${login}`, rel: "noopener noreferrer" }, `${login} on GitHub`),
    kind === "self" && h("a", { href: "#/" }, "Another login"),
  );
}

/**
 * Call `draw` again whenever more of the person's vector is known.
 * @param {App} app
 * @param {Person} person
 * @param {AbortSignal} signal
 * @param {() => void} draw
 */
function onRefined({ engine }, person, signal, draw) {
  if (!person.refine) return;
  const redraw = async () => {
    await person.refine?.();
    if (!signal.aborted) draw();
  };
  engine.addEventListener("refined", redraw, { signal });
}

/** Line above the name. @param {Person} person */
const kicker = ({ kind }) => ({ self: "Your profile", developer: "A developer", shared: "A shared profile" })[kind];

/**
 * That a person has fewer stars than anybody in the data, if so.
 * @param {App} app
 * @param {Person} person
 */
const fewness = ({ people }, person) =>
  isRough(people, person)
    ? ` Nobody in the data has so few: the comparison is with people of ${starRange(people, person.starsUsed)} stars.`
    : "";

/**
 * What the profile was made of, in words.
 * @param {App} app
 * @param {Person} person
 */
function basis(app, person) {
  if (person.starsUnknown)
    return `This profile came in a link of the first format, which does not tell how many stars it is made of. It is compared with people of the middle: with ${starRange(app.people, person.starsUsed)} stars.`;
  if (person.kind === "shared")
    return `This profile came in the link; it holds where ${pluralize(person.starsUsed, "star")} point, not the stars.`;
  if (person.kind === "developer") return `Made of ${pluralize(person.starsUsed, "star")} given in public.`;
  const { stars } = person;
  const total = stars ? stars.stars.length : person.starsUsed;
  const part =
    stars && stars.pagesRead < stars.pages
      ? ` Only the newest ${formatCount(total)} stars arrived, ${formatCount(stars.pagesRead)} of ${pluralize(stars.pages, "page")}.`
      : "";
  return `Made of ${formatCount(person.starsUsed)} of ${pluralize(total, "star")}: those among the ${formatCount(app.model.n)} repositories known here.${part}`;
}
