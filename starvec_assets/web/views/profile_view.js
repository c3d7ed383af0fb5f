// Profile of a person: radar, recommended repositories and similar developers; another person is compared with the
// current user, once there is one.

import { developerList } from "../developer_list.js";
import { announce, chips, formatCount, formatOrdinal, h, pluralize, replace } from "../dom.js";
import { downloadProgress } from "../download_progress.js";
import { dot, unitVector } from "../engine/vectors.js";
import { loginForm } from "../login_form.js";
import { mapHref } from "../map/address.js";
import { hasMap } from "../map/map_data.js";
import { formatScore, radar, radarTable } from "../radar.js";
import { becauseOf, repoList } from "../repo_list.js";
import { formatPercent, pairPercentile, rankDevelopers, skillScores, starRange, topContributors } from "../scoring.js";
import { encodeProfile } from "../share_link.js";
import { developerHref, displayName, MAX_QUERY_LENGTH, risingHref, searchHref, userHref } from "../state.js";
import { hasTrends } from "../trends_data.js";

/** @import { Series } from "../radar.js" */
/** @import { Person } from "../scoring.js" */
/** @import { App } from "../state.js" */

const COMPARE_CANDIDATES = 4; // for each shown repository, the candidates that are ranked by their lower match
const MIN_SKILL_GAP = 0.05; // smaller differences are not mentioned

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
    onPerson: (person) => {
      app.currentUser = person;
      replace(container, ...profile(app, signal, person));
      history.replaceState(history.state, "", userHref(person.login));
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
        "Made of your public stars, in this browser. Nothing is stored: after a reload the stars are fetched again.",
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
 */
export function otherProfileView(app, signal, person) {
  const container = h("div", {});
  const render = () =>
    replace(
      container,
      ...(app.currentUser
        ? comparison(app, signal, app.currentUser, person)
        : profile(app, signal, person, compareForm())),
    );
  const compareForm = () => {
    const { element } = loginForm(app, {
      id: "login",
      label: "Your GitHub login",
      button: "Compare",
      signal,
      onPerson: (currentUser) => {
        app.currentUser = currentUser;
        render();
        container.querySelector("h1")?.focus();
      },
    });
    return h("section", { class: "compare-offer" }, h("h2", {}, `Compare ${displayName(person)} with you`), element);
  };
  render();
  return [container];
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} person
 * @param {Node} [compareForm]
 * @returns {(Node | false)[]}
 */
function profile(app, signal, person, compareForm) {
  const chart = h("div", { class: "chart" });
  const drawChart = () => replace(chart, ...charts(app, [person], [skillSeries(app, person, displayName(person))]));
  drawChart();
  onceExact(person, signal, redrawWithoutAnimation(chart, drawChart));
  const isSelf = person.kind === "self";
  return [
    h(
      "section",
      { class: "profile" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, kicker(person)),
        h("h1", { tabindex: -1 }, displayName(person)),
        h("p", { class: "lead" }, basis(app, person)),
        shareControls(app, person),
      ),
      chart,
    ),
    compareForm ?? (isSelf && starsSearch()),
    h(
      "section",
      {},
      h("h2", {}, isSelf ? "Repositories you would like" : `Repositories ${displayName(person)} would like`),
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
        exact: person.exact,
        search: (bias, k) => app.engine.search(person.vector, { k, bias }),
        explain: isSelf
          ? async ({ indices }) =>
              (await topContributors(app, person.starred, indices)).map((rows) => becauseOf(app, rows))
          : undefined,
      }),
    ),
    h(
      "section",
      {},
      h("h2", {}, isSelf ? "Developers like you" : `Developers like ${displayName(person)}`),
      similarDevelopers(app, signal, person),
    ),
  ];
}

/**
 * The current user beside another person.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} self
 * @param {Person} other
 * @returns {Node[]}
 */
function comparison(app, signal, self, other) {
  const chart = h("div", { class: "chart" });
  const match = h("p", { class: "lead" });
  const summary = h("p", { class: "lead" });
  const draw = () => {
    replace(match, ...describeMatch(app, self, other));
    const series = [skillSeries(app, self, "you"), skillSeries(app, other, displayName(other))];
    summary.textContent = describeDifference(app, series);
    replace(chart, ...charts(app, [self, other], series));
  };
  draw();
  onceExact(self, signal, redrawWithoutAnimation(chart, draw));
  const searchForBoth = async (/** @type {Float32Array | null} */ bias, /** @type {number} */ k) => {
    const mean = unitVector(Float32Array.from(self.vector, (x, i) => x + other.vector[i]));
    const { indices, exact } = await app.engine.search(mean, { k: COMPARE_CANDIDATES * k, bias });
    const rows = await app.engine.vectors(indices);
    const { d } = app.model;
    const ranked = Array.from(indices, (row, i) => {
      const vector = rows.subarray(i * d, (i + 1) * d);
      return { row, cosine: Math.min(dot(vector, self.vector), dot(vector, other.vector)) };
    });
    ranked.sort((a, b) => b.cosine - a.cosine).splice(k);
    return { indices: ranked.map(({ row }) => row), cosines: ranked.map(({ cosine }) => cosine), exact };
  };
  return [
    h(
      "section",
      { class: "profile" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, kicker(other)),
        h("h1", { tabindex: -1 }, `You and ${displayName(other)}`),
        match,
        summary,
        shareControls(app, other),
      ),
      chart,
    ),
    h(
      "section",
      {},
      h("h2", {}, "Repositories both would like"),
      h("p", { class: "hint" }, "By the lesser of the two matches; what you starred is left out."),
      repoList(app, {
        id: "for-both",
        signal,
        scoreLabel: "lesser match",
        exclude: self.starred,
        exact: self.exact,
        search: searchForBoth,
      }),
    ),
    h("section", {}, h("p", {}, h("a", { href: userHref(self.login) }, "Back to your profile"))),
  ];
}

/**
 * How close the current user is to another person, compared with people with about as many stars.
 * @param {App} app
 * @param {Person} self
 * @param {Person} other
 * @returns {(Node | string)[]}
 */
function describeMatch(app, self, other) {
  const share = (/** @type {number} */ percent) => h("strong", { class: "match" }, formatPercent(percent));
  const ranked = rankDevelopers(app.people, self);
  const rank = ranked.findIndex(({ developer }) => other.kind === "developer" && developer.login === other.login);
  if (rank < 0) {
    const percent = pairPercentile(app.people, self, other);
    return ["You two are more alike than ", share(percent), " of pairs of people with about as many stars."];
  }
  return [
    `You are closer to ${displayName(other)} than `,
    share(ranked[rank].match),
    ` of people with about as many stars (${formatOrdinal(rank + 1)} of ${pluralize(ranked.length, "developer")}).`,
  ];
}

/**
 * @param {App} app
 * @param {Person} person
 * @param {string} label
 * @returns {Series}
 */
const skillSeries = (app, person, label) => ({ label, scores: skillScores(app.people, person) });

/**
 * Radar, table and an explanation of the scores.
 * @param {App} app
 * @param {Person[]} persons
 * @param {Series[]} series of each of them
 */
function charts(app, persons, series) {
  const { categories, calibration } = app.people;
  const titles = categories.map((category) => category.title);
  const ranges = new Set(persons.map(({ starsUsed }) => starRange(app.people, starsUsed)));
  const typical = `A score of ${formatScore(calibration.median)} is the median of people with about as many stars (${[...ranges].join("; ")})`;
  return [
    radar(titles, series),
    h(
      "div",
      {},
      radarTable(titles, series),
      h("p", { class: "hint" }, `${typical}; one in twenty of them reaches ${formatScore(calibration.top_twentieth)}.`),
    ),
  ];
}

/**
 * The categories in which two people differ most, in words.
 * @param {App} app
 * @param {Series[]} series of the current user and of the other person
 */
function describeDifference(app, [own, others]) {
  const gaps = app.people.categories
    .map((category, axis) => ({ title: category.title, gap: own.scores[axis] - others.scores[axis] }))
    .sort((a, b) => b.gap - a.gap);
  const topTitles = (/** @type {{title: string}[]} */ categories) =>
    categories
      .slice(0, 3)
      .map(({ title }) => title)
      .join(", ");
  const more = topTitles(gaps.filter(({ gap }) => gap >= MIN_SKILL_GAP));
  const less = topTitles(gaps.filter(({ gap }) => gap <= -MIN_SKILL_GAP).reverse());
  if (!more && !less) return "No field sets the two apart by 5 points or more.";
  const parts = [more && `You lean more to ${more}`, less && `${others.label} ${more ? "" : "leans more "}to ${less}`];
  return `${parts.filter(Boolean).join("; ")}.`;
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
  onceExact(person, signal, render);
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
 * Button that makes and copies a link to the profile.
 * @param {App} app
 * @param {Person} person
 */
function shareControls(app, person) {
  const output = h("div", { class: "share-output" });
  const withLogin = h("input", {
    type: "checkbox",
    id: "share-login",
    checked: true,
    onchange: () => output.childNodes.length && showLink(),
  });
  const showLink = () => {
    const payload = encodeProfile(person, withLogin.checked ? person.login : "", app.model.id);
    const link = new URL(`#/compare/${payload}`, location.href).href;
    const field = h("input", {
      id: "share-link",
      type: "text",
      readonly: true,
      value: link,
      "aria-label": "Link to this profile",
      onfocus: () => field.select(),
    });
    const note = h("p", { class: "hint" }, "The profile is in the link itself, behind the #: no server ever sees it.");
    replace(output, field, note);
    (navigator.clipboard?.writeText(link) ?? Promise.reject()).then(
      () => {
        note.textContent = "Copied. The profile is in the link itself, behind the #: no server ever sees it.";
        announce("Link copied");
      },
      () => field.focus(),
    );
  };
  return h(
    "div",
    { class: "share" },
    h("button", { type: "button", onclick: showLink }, "Copy a link to this profile"),
    person.login && h("label", { for: "share-login" }, withLogin, ` with the login ${person.login} in it`),
    hasMap(app.model) &&
      person.kind !== "shared" &&
      h("a", { href: mapHref({ person: person.kind === "developer" ? person.login : "" }) }, "On the map"),
    hasTrends(app.model) &&
      person.kind !== "shared" &&
      h(
        "a",
        { href: risingHref(person.kind === "developer" ? { like: person.login } : { for: "you" }) },
        "What is rising near it",
      ),
    person.kind === "self" && h("a", { href: "#/" }, "Another login"),
    output,
  );
}

/**
 * A function that calls `draw`, which fills `chart`, without the radar's opening animation.
 * @param {Element} chart
 * @param {() => void} draw
 */
const redrawWithoutAnimation = (chart, draw) => () => {
  chart.classList.add("no-animation");
  draw();
};

/**
 * Call `draw` again when the person's vector becomes exact, unless it was already.
 * @param {Person} person
 * @param {AbortSignal} signal
 * @param {() => void} draw
 */
function onceExact(person, signal, draw) {
  const { vector } = person;
  person.exact.then(
    () => signal.aborted || person.vector === vector || draw(),
    () => {},
  );
}

/** Line above the name. @param {Person} person */
const kicker = ({ kind }) => ({ self: "Your profile", developer: "A developer", shared: "A shared profile" })[kind];

/**
 * What the profile was made of, in words.
 * @param {App} app
 * @param {Person} person
 */
function basis(app, person) {
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
