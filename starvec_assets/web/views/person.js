// A person: radar, repositories they would like, developers like them; somebody else beside you, once you are known.

import { called, developerHref } from "../app.js";
import { announce, chips, count, h, plural, replace } from "../dom.js";
import { downloadBar } from "../download.js";
import { unit, dot } from "../engine/vectors.js";
import { lookup } from "../lookup.js";
import { alike, matchOf, perCent, reasons, skills } from "../profile.js";
import { points, radar, radarTable } from "../radar.js";
import { results } from "../results.js";
import { encode } from "../share.js";

/**
 * @typedef {import('../app.js').App} App
 * @typedef {import('../profile.js').Person} Person
 */

const FIRST = 8;

/**
 * Your own profile; without one in memory the form that makes it.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} login '' for whoever was looked up last
 */
export function youView(app, signal, login) {
  const { me } = app;
  const wanted = login !== "" && app.asked === login;
  app.asked = "";
  if (me && !wanted && (!login || me.login.toLowerCase() === login.toLowerCase())) return person(app, signal, me);
  const place = h("div", {});
  const { element, look } = lookup(app, {
    id: "login",
    label: "Your GitHub login",
    button: "Make my profile",
    signal,
    login,
    onPerson: (found) => {
      app.me = found;
      replace(place, ...person(app, signal, found));
      history.replaceState(history.state, "", `#/you/${found.login}`);
      place.querySelector("h1")?.focus();
    },
  });
  if (wanted) look();
  replace(
    place,
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
      downloadBar(app, signal),
    ),
    app.people.developers.length > 0 && h("section", {}, h("h2", {}, "Or look at a developer"), developerChips(app)),
  );
  return [place];
}

/** @param {App} app */
function developerChips(app) {
  return h(
    "p",
    { class: "examples" },
    ...chips(app.people.developers.slice(0, 12).map((one) => [developerHref(one.login), one.name])),
  );
}

/**
 * Somebody else: a developer of the bundle, or who is in a link.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} them
 */
export function otherView(app, signal, them) {
  const place = h("div", {});
  const draw = () =>
    replace(place, ...(app.me ? compared(app, signal, app.me, them) : person(app, signal, them, offerToCompare())));
  const offerToCompare = () => {
    const { element } = lookup(app, {
      id: "login",
      label: "Your GitHub login",
      button: "Compare",
      signal,
      onPerson: (found) => {
        app.me = found;
        draw();
        place.querySelector("h1")?.focus();
      },
    });
    return h("section", { class: "compare-offer" }, h("h2", {}, `Compare ${called(them)} with you`), element);
  };
  draw();
  return [place];
}

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} who
 * @param {Node} [offer]
 * @returns {(Node | false)[]}
 */
function person(app, signal, who, offer) {
  const chart = h("div", { class: "chart" });
  const draw = () => replace(chart, ...charts(app, [{ label: called(who), scores: skills(app.people, who.vector) }]));
  draw();
  whenExact(who, signal, unmoved(chart, draw));
  const mine = who.kind === "me";
  return [
    h(
      "section",
      { class: "person" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, kicker(who)),
        h("h1", { tabindex: -1 }, called(who)),
        h("p", { class: "lead" }, made(app, who)),
        share(app, who),
      ),
      chart,
    ),
    offer ?? false,
    h(
      "section",
      {},
      h("h2", {}, mine ? "Repositories you would like" : `Repositories ${called(who)} would like`),
      h(
        "p",
        { class: "hint" },
        mine
          ? "Not starred yet, nearest to your profile first. Below each, the stars of yours that pull it in."
          : "Nearest to this profile first. Which of them are starred already is not known here.",
      ),
      results(app, {
        id: "liked",
        signal,
        fame: true,
        measure: "match",
        without: who.starred,
        exact: who.exact,
        search: (bias, k) => app.engine.search(who.vector, { k, bias }),
        why: mine ? (rows) => reasons(app, who.starred, rows) : undefined,
      }),
    ),
    h("section", {}, h("h2", {}, mine ? "Developers like you" : `Developers like ${called(who)}`), likeThem(app, signal, who)),
  ];
}

/**
 * You and somebody else.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} me
 * @param {Person} them
 * @returns {Node[]}
 */
function compared(app, signal, me, them) {
  const chart = h("div", { class: "chart" });
  const match = h("p", { class: "lead" });
  const words = h("p", { class: "lead" });
  const draw = () => {
    const value = perCent(matchOf(app.people, me.vector, them.vector));
    replace(
      match,
      h("strong", { class: "match" }, `${value} match`),
      `: more alike than ${value} of random pairs of people.`,
    );
    const series = [me, them].map((one) => ({
      label: one === me ? "you" : called(them),
      scores: skills(app.people, one.vector),
    }));
    words.textContent = difference(app, series);
    replace(chart, ...charts(app, series));
  };
  draw();
  whenExact(me, signal, unmoved(chart, draw));
  const both = async (/** @type {Float32Array | null} */ bias, /** @type {number} */ k) => {
    const middle = unit(Float32Array.from(me.vector, (x, i) => x + them.vector[i]));
    const near = await app.engine.search(middle, { k: 4 * k, bias });
    const rows = await app.engine.vectors(near.indices);
    const { d } = app.model;
    const least = Array.from(near.indices, (row, i) => {
      const vector = rows.subarray(i * d, (i + 1) * d);
      return { row, cosine: Math.min(dot(vector, me.vector), dot(vector, them.vector)) };
    });
    least.sort((a, b) => b.cosine - a.cosine).splice(k);
    return { indices: least.map(({ row }) => row), cosines: least.map(({ cosine }) => cosine), exact: near.exact };
  };
  return [
    h(
      "section",
      { class: "person" },
      h(
        "header",
        {},
        h("p", { class: "kicker" }, kicker(them)),
        h("h1", { tabindex: -1 }, `You and ${called(them)}`),
        match,
        words,
        share(app, them),
      ),
      chart,
    ),
    h(
      "section",
      {},
      h("h2", {}, "Repositories both would like"),
      h("p", { class: "hint" }, "By the lesser of the two matches; what you starred is left out."),
      results(app, {
        id: "both",
        signal,
        measure: "lesser match",
        without: me.starred,
        exact: me.exact,
        search: both,
      }),
    ),
    h("section", {}, h("p", {}, h("a", { href: `#/you/${me.login}` }, "Back to your profile"))),
  ];
}

/**
 * Radar and table, and what a score means.
 * @param {App} app
 * @param {import('../radar.js').Series[]} series
 */
function charts(app, series) {
  const { categories, calibration } = app.people;
  const titles = categories.map((category) => category.title);
  const typical = `A score of ${points(calibration.median)} is the median person’s`;
  return [
    radar(titles, series),
    h(
      "div",
      {},
      radarTable(titles, series),
      h("p", { class: "hint" }, `${typical}; one in twenty reaches ${points(calibration.top_twentieth)}.`),
    ),
  ];
}

/** Where two differ most, in words. @param {App} app @param {import('../radar.js').Series[]} series */
function difference(app, [mine, theirs]) {
  const gaps = app.people.categories
    .map((category, axis) => ({ title: category.title, gap: mine.scores[axis] - theirs.scores[axis] }))
    .sort((a, b) => b.gap - a.gap);
  const list = (/** @type {{title: string}[]} */ some) =>
    some
      .slice(0, 3)
      .map(({ title }) => title)
      .join(", ");
  const more = list(gaps.filter(({ gap }) => gap >= 0.05));
  const less = list(gaps.filter(({ gap }) => gap <= -0.05).reverse());
  if (!more && !less) return "No field sets the two apart by 5 points or more.";
  return (
    [more && `You lean more to ${more}`, less && `${theirs.label} ${more ? "" : "leans more "}to ${less}`]
      .filter(Boolean)
      .join("; ") + "."
  );
}

/** @param {App} app @param {AbortSignal} signal @param {Person} who */
function likeThem(app, signal, who) {
  const others = () =>
    alike(app.people, who.vector).filter(({ developer }) => developer.login.toLowerCase() !== who.login.toLowerCase());
  const all = others().length;
  if (!all)
    return h(
      "p",
      { class: "hint" },
      "No developers came with this model: too few of those listed gave stars in its data.",
    );
  const list = h("ol", { class: "people" });
  const more = h("button", { type: "button", class: "quiet", hidden: all <= FIRST }, `Show all ${all}`);
  const show = () =>
    replace(
      list,
      ...others()
        .slice(0, more.hidden ? all : FIRST)
        .map(({ developer, match }) =>
          h(
            "li",
            {},
            h("span", { class: "match" }, perCent(match)),
            h("a", { href: developerHref(developer.login) }, developer.name),
            h("span", { class: "aside" }, `${developer.login}, ${plural(developer.stars_used, "star")}`),
          ),
        ),
    );
  show();
  whenExact(who, signal, show);
  more.addEventListener("click", () => {
    more.hidden = true;
    show();
    /** @type {HTMLElement | null} */ (list.children[FIRST].querySelector("a"))?.focus();
  });
  return h(
    "div",
    {},
    h(
      "p",
      { class: "hint" },
      "Match: the share of random pairs of people who are less alike. Choose one to see how you differ.",
    ),
    list,
    more,
  );
}

/** A link to a profile, made and copied on demand. @param {App} app @param {Person} who */
function share(app, who) {
  const out = h("div", { class: "share-out" });
  const named = h("input", {
    type: "checkbox",
    id: "share-named",
    checked: true,
    onchange: () => out.childNodes.length && show(),
  });
  const show = () => {
    const link = new URL(`#/with/${encode(who.vector, named.checked ? who.login : "", app.model.model)}`, location.href)
      .href;
    const field = h("input", {
      id: "share-link",
      type: "text",
      readonly: true,
      value: link,
      "aria-label": "Link to this profile",
      onfocus: () => field.select(),
    });
    const said = h("p", { class: "hint" }, "The profile is in the link itself, behind the #: no server ever sees it.");
    replace(out, field, said);
    (navigator.clipboard?.writeText(link) ?? Promise.reject()).then(
      () => {
        said.textContent = "Copied. The profile is in the link itself, behind the #: no server ever sees it.";
        announce("Link copied");
      },
      () => field.focus(),
    );
  };
  return h(
    "div",
    { class: "share" },
    h("button", { type: "button", onclick: show }, "Copy a link to this profile"),
    who.login && h("label", { for: "share-named" }, named, ` with the login ${who.login} in it`),
    who.kind === "me" && h("a", { href: "#/" }, "Another login"),
    out,
  );
}

/** `draw`, which fills `chart`, without the radar's unfolding once more. @param {Element} chart @param {() => void} draw */
const unmoved = (chart, draw) => () => {
  chart.classList.add("still");
  draw();
};

/** Numbers of `who` once more when they are exact and were not. @param {Person} who @param {AbortSignal} signal @param {() => void} draw */
function whenExact(who, signal, draw) {
  const { vector } = who;
  who.exact.then(
    () => signal.aborted || who.vector === vector || draw(),
    () => {},
  );
}

/** @param {Person} who */
const kicker = (who) => ({ me: "Your profile", developer: "A developer", shared: "A shared profile" })[who.kind];

/** @param {App} app @param {Person} who */
function made(app, who) {
  if (who.kind === "shared") return "This profile came in the link; it holds no stars, only where they point.";
  if (who.kind === "developer") return `Made of ${plural(who.used, "star")} given in public.`;
  const { stars } = who;
  const total = stars ? stars.stars.length : who.used;
  const part =
    stars && stars.read < stars.pages
      ? ` Only the newest ${count(total)} stars arrived, ${count(stars.read)} of ${plural(stars.pages, "page")}.`
      : "";
  return `Made of ${count(who.used)} of ${plural(total, "star")}: those among the ${count(app.model.n)} repositories known here.${part}`;
}
