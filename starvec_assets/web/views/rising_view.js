// What is rising: for everybody and near to a person, by field, language and age. The address holds all of it.

import {
  announce,
  chips,
  errorMessage,
  formatCount,
  formatDay,
  formatMegabytes,
  formatMonth,
  h,
  pluralize,
  replace,
} from "../dom.js";
import { TRENDS_FILE } from "../engine/model.js";
import { normalizeTopic } from "../github_names.js";
import { loginForm } from "../login_form.js";
import { repoList } from "../repo_list.js";
import { dataSources, developerHref, displayName, downloadSize, risingHref } from "../state.js";
import { topicFilter } from "../topic_filter.js";
import { sparkline, trendChart } from "../trend_chart.js";
import { formatShare, repositorySparkline } from "../trend_line.js";
import { loadTrends } from "../trends_data.js";

/** @import { Person } from "../scoring.js" */
/** @import { App } from "../state.js" */
/** @import { Field, Ranked, RankingName, Trends } from "../trends_data.js" */
/**
 * @typedef {object} RisingAddress
 * @property {string} by key of a ranking in RANKING_KEYS, "" for what grows fastest
 * @property {string} for "you" for what is near to the current user
 * @property {string} like login of a developer of the bundle, near to whom to list
 * @property {string} field key or name of a category or a cluster of the map
 * @property {string} language
 * @property {string} topic
 * @property {string} age at most so many months
 */

/** @type {Record<string, RankingName>} */
const RANKING_KEYS = { "": "rising", stars: "most_stars", bursts: "bursts" };
const AGES = [3, 12, 36]; // months
const MAX_LANGUAGES = 40;
const MAX_DEVELOPERS = 12;
const MAX_GAPS = 6; // sentences that are shown at once

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters see RisingAddress
 */
export function risingView(app, signal, parameters) {
  const size = formatMegabytes(downloadSize(app, [TRENDS_FILE]));
  const body = h("div", {}, h("p", { class: "hint", role: "status" }, `Loading stars by month, ${size} …`));
  const open = async () => {
    try {
      const trends = await loadTrends(app.model);
      const languages = await languagesOf(app, trends);
      if (!signal.aborted) new RisingPage(app, trends, languages, signal, parseAddress(parameters)).open(body);
    } catch (error) {
      const retry = h("button", { type: "button", onclick: open }, "Try again");
      if (!signal.aborted) replace(body, h("p", { class: "error", role: "alert" }, errorMessage(error), " ", retry));
    }
  };
  open();
  return [h("section", { class: "rising similar" }, h("h1", { tabindex: -1 }, "What is rising"), body)];
}

/** @param {URLSearchParams} parameters @returns {RisingAddress} */
function parseAddress(parameters) {
  const text = (/** @type {string} */ key) => (parameters.get(key) ?? "").trim().slice(0, 200);
  const [by, whom, like] = [text("by"), text("for") === "you" ? "you" : "", text("like")];
  return {
    by: !whom && !like && Object.hasOwn(RANKING_KEYS, by) ? by : "", // near to a person is what grows fastest
    for: whom,
    like,
    field: text("field"),
    language: text("language"),
    topic: normalizeTopic(text("topic")),
    age: /^\d{1,3}$/.test(text("age")) ? text("age") : "",
  };
}

/**
 * Language of each repository of the rankings, by row.
 * @param {App} app
 * @param {Trends} trends
 */
async function languagesOf({ engine, model }, { rankings }) {
  const rows = [...new Set(Object.values(rankings).flatMap((ranking) => ranking.map(({ row }) => row)))];
  const codes = await engine.languageCodes(rows);
  return new Map(rows.map((row, i) => [row, model.languages[codes[i]]]));
}

/** Everything of the view that needs the trends. */
class RisingPage {
  #app;
  #trends;
  #languageOf;
  #signal;
  #address;
  #tabs = h("nav", { class: "tabs", "aria-label": "What to list" });
  /** Curves of the field and the language that are chosen. */
  #curves = h("div", {});
  #list = h("div", {});

  /**
   * @param {App} app
   * @param {Trends} trends
   * @param {Map<number, string>} languageOf each repository of the rankings, by row
   * @param {AbortSignal} signal
   * @param {RisingAddress} address
   */
  constructor(app, trends, languageOf, signal, address) {
    this.#app = app;
    this.#trends = trends;
    this.#languageOf = languageOf;
    this.#signal = signal;
    this.#address = address;
  }

  /** @param {Element} body */
  open(body) {
    const { fields } = this.#trends;
    const categories = fields.filter(({ kind }) => kind === "category");
    replace(
      body,
      this.#compared(),
      this.#tabs,
      this.#curves,
      this.#list,
      categories.length > 0 && this.#fieldList(categories),
      this.#explanations(),
    );
    this.#showChosen();
    this.#showList();
  }

  /** The ranking that is shown, best first. */
  get #ranking() {
    return this.#trends.rankings[RANKING_KEYS[this.#address.by]];
  }

  /** Which days are compared, and whose stars they are. */
  #compared() {
    const { window } = this.#trends;
    const from = `The stars are those of ${dataSources(this.#app)}.`;
    if (!window) return h("p", { class: "lead" }, `Nothing can be compared yet. ${from}`);
    const days = `${formatDay(window.first)} to ${formatDay(window.last)}`;
    const by = window.source === "log" ? "" : ", by GitHub’s weekly totals of the most starred repositories";
    return h("p", { class: "lead" }, `What gets stars now, compared with the weeks before: ${days}${by}. ${from}`);
  }

  /** Show what the filters choose beside the list: the links to other lists keep them. */
  #showChosen() {
    const { by, for: whom, like, ...filters } = this.#address;
    const isNear = whom !== "" || like !== "";
    const tab = (
      /** @type {string} */ text,
      /** @type {Record<string, string>} */ list,
      /** @type {boolean} */ isShown,
    ) => h("a", { href: risingHref({ ...list, ...filters }), "aria-current": isShown && "page" }, text);
    replace(
      this.#tabs,
      tab("Growth", {}, !isNear && by === ""),
      tab("Most stars", { by: "stars" }, !isNear && by === "stars"),
      tab("Bursts", { by: "bursts" }, !isNear && by === "bursts"),
      tab("For you", { for: "you" }, isNear),
    );
    this.#showCurves();
  }

  /** Curves of the field and the language that are chosen, or what is wrong with their names. */
  #showCurves() {
    const { field, language } = this.#address;
    const chart = (/** @type {Field} */ { name, share }) => {
      const newest = share.findLastIndex((part) => part !== null);
      if (newest < 0) return h("p", { class: "hint" }, `${name}: nothing but gaps, so no curve.`);
      const part = `${formatShare(share[newest] ?? 0)} of the stars of all repositories`;
      const title = h("span", {}, h("strong", {}, name), `: ${part} in ${formatMonth(this.#trends.months[newest])}`);
      return trendChart(this.#trends.months, share, formatShare, { title, unit: "of all stars" });
    };
    const shown = [
      { wanted: field, known: field && this.#trends.field(field), kind: "field" },
      { wanted: language, known: language && this.#trends.language(language), kind: "language" },
    ];
    replace(
      this.#curves,
      ...shown.map(({ wanted, known, kind }) => {
        if (!wanted) return null;
        if (known) return chart(known);
        if (kind === "language" && this.#chosenLanguage) return null; // too few stars for a curve
        const all = h("a", { href: risingHref({ ...this.#address, [kind]: "" }) }, `List every ${kind}`);
        return h(
          "p",
          { class: "unknown-name", role: "status" },
          h("strong", {}, wanted),
          ` is no ${kind} of these data. `,
          all,
        );
      }),
    );
  }

  #showList() {
    const { for: whom, like } = this.#address;
    if (!whom && !like) return replace(this.#list, this.#forEverybody());
    const person = like ? this.#developer(like) : this.#app.currentUser;
    if (person) return replace(this.#list, ...this.#nearTo(person));
    replace(this.#list, ...this.#askForPerson());
  }

  #forEverybody() {
    let refresh = () => {};
    const list = repoList(this.#app, {
      ...this.#listOptions(),
      id: `rising-${this.#address.by}`,
      scoreLabel: "",
      label: "Repositories, best first",
      needsVectors: false,
      search: async (_, k) => {
        const { topic } = this.#address;
        const ofTopic = topic ? await this.#app.engine.allowedRows({ topic }) : null;
        const rows = this.#filtered();
        const indices = (ofTopic ? rows.filter((row) => ofTopic[row]) : rows).slice(0, k);
        return { indices, cosines: [], exact: true };
      },
      onCreate: (searchAgain) => {
        refresh = searchAgain;
      },
    });
    return h(
      "div",
      {},
      h("h2", { class: "visually-hidden" }, "Repositories"),
      this.#address.by === "" &&
        h(
          "p",
          { class: "hint" },
          "In per cent of all stars of a repository as GitHub counts them, or as these data do where they hold all of its months. In brackets: the range of its stars a day.",
        ),
      this.#descriptionsOffer(() => refresh()),
      list,
    );
  }

  /**
   * A button for the descriptions, which this list can do without, as long as they are not loaded.
   * @param {() => void} onLoaded
   */
  #descriptionsOffer(onLoaded) {
    const { engine } = this.#app;
    const size = formatMegabytes(downloadSize(this.#app, ["descriptions.gz"]));
    const element = h("p", { class: "hint" });
    const load = async () => {
      try {
        await engine.loadDescriptions();
        element.hidden = true;
        onLoaded();
      } catch (error) {
        replace(element, errorMessage(error), " ", button);
      }
    };
    const button = h("button", { type: "button", class: "chip", onclick: load }, `Show descriptions (${size})`);
    if (!engine.descriptionsLoaded) replace(element, button);
    const hide = () => {
      element.hidden = true;
    };
    engine.ready.then(hide, () => {}); // with the vectors the list loads the descriptions without a question
    return element;
  }

  /** @param {Person} person */
  #nearTo(person) {
    const isSelf = person.kind === "self";
    const name = isSelf ? "you" : displayName(person);
    return [
      h("h2", {}, `Rising near to ${name}`),
      h(
        "p",
        { class: "hint" },
        isSelf
          ? `What is rising for everybody and not starred by ${person.login} yet, nearest to the profile first. `
          : "What is rising for everybody, nearest to this profile first. Which of it is starred already is not known here. ",
        isSelf
          ? h("a", { href: "#/user" }, "The profile")
          : h("a", { href: developerHref(person.login) }, `The profile of ${name}`),
      ),
      repoList(this.#app, {
        ...this.#listOptions(),
        id: "rising-near",
        scoreLabel: "match",
        label: "Rising repositories, nearest first",
        exclude: person.starred,
        only: () => Uint32Array.from(this.#filtered()),
        search: async (filter, k) => {
          await person.refine?.();
          return this.#app.engine.search(person.vector, { k, filter: { ...filter, topic: this.#address.topic } });
        },
      }),
      this.#developerLinks(),
    ];
  }

  /** What both lists have in common. */
  #listOptions() {
    const ranked = new Map(this.#ranking.map((one) => [one.row, one]));
    return {
      signal: this.#signal,
      usualFilters: false,
      control: (/** @type {() => void} */ onChange) => this.#filters(onChange),
      explain: (/** @type {{indices: ArrayLike<number>}} */ { indices }) =>
        Array.from(indices, (row) => this.#explain(/** @type {Ranked} */ (ranked.get(row)))),
      emptyNote: () => this.#emptyNote(),
    };
  }

  /** Rows of the ranking that pass the filters but that of topics, which the engine has; best first. */
  #filtered() {
    const { field, language, age } = this.#address;
    const chosen = field && this.#trends.field(field);
    const chosenLanguage = this.#chosenLanguage;
    const born = this.#bornAfter(Number(age));
    return this.#ranking
      .filter(
        (one) =>
          (!field || (chosen && isIn(chosen, one))) &&
          (!language || (chosenLanguage && this.#languageOf.get(one.row) === chosenLanguage)) &&
          (!age || one.born >= born),
      )
      .map(({ row }) => row);
  }

  /** Day so many months before the last one compared, YYYY-MM-DD. @param {number} months */
  #bornAfter(months) {
    const last = new Date(this.#trends.window?.last ?? 0);
    return new Date(Date.UTC(last.getUTCFullYear(), last.getUTCMonth() - months, last.getUTCDate()))
      .toISOString()
      .slice(0, 10);
  }

  /** The language of the address as the data write it, "" for one that no repository has. */
  get #chosenLanguage() {
    const wanted = this.#address.language.toLowerCase();
    return this.#app.model.languages.find((name) => name.toLowerCase() === wanted) ?? "";
  }

  /** Languages of the ranking, most frequent first. */
  #languages() {
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { row } of this.#ranking) {
      const language = this.#languageOf.get(row);
      if (language) counts.set(language, (counts.get(language) ?? 0) + 1);
    }
    return [...counts.keys()].sort((a, b) => (counts.get(b) ?? 0) - (counts.get(a) ?? 0)).slice(0, MAX_LANGUAGES);
  }

  /** @param {() => void} onChange called when a filter was changed */
  #filters(onChange) {
    const { fields } = this.#trends;
    const { field, topic, age } = this.#address;
    const option = (/** @type {string} */ value, text = value) => h("option", { value }, text);
    const group = (/** @type {Field["kind"]} */ kind, /** @type {string} */ label) => {
      const members = fields.filter((one) => one.kind === kind);
      const byName = members.sort((a, b) => a.name.localeCompare(b.name, "en"));
      return byName.length > 0 && h("optgroup", { label }, ...byName.map(({ key, name }) => option(key, name)));
    };
    const choose = (/** @type {Partial<RisingAddress>} */ changes) => {
      this.#address = { ...this.#address, ...changes };
      history.pushState({ entryId: Math.random() }, "", risingHref({ ...this.#address }));
      this.#showChosen();
      onChange();
    };
    const select = (
      /** @type {"field" | "language" | "age"} */ key,
      /** @type {string} */ label,
      /** @type {string} */ value,
      /** @type {import("../dom.js").Child[]} */ options,
    ) => {
      const element = h("select", { id: `rising-${key}` }, ...options);
      element.addEventListener("change", () => choose({ [key]: element.value }));
      element.value = value;
      return options.filter(Boolean).length > 1 && h("div", {}, h("label", { for: element.id }, label), element);
    };
    const chosen = this.#chosenLanguage;
    const languages = [...new Set([...this.#languages(), ...(chosen ? [chosen] : [])])];
    const filters = document.createDocumentFragment();
    for (const one of [
      select("field", "Field", (this.#trends.field(field) ?? { key: "" }).key, [
        option("", "any field"),
        group("category", "Fields"),
        group("cluster", "Places on the map"),
      ]),
      select("language", "Language", chosen, [option("", "any language"), ...languages.map((name) => option(name))]),
      topicFilter(this.#app, "rising", topic, (wanted) => choose({ topic: wanted })),
      select("age", "Age", age, [option("", "any age"), ...this.#ages().map((n) => option(String(n), ageLabel(n)))]),
    ])
      if (one) filters.append(one);
    return filters;
  }

  /** Those of AGES, and the one of the address, that not all of the ranking has. */
  #ages() {
    const given = Number(this.#address.age);
    const separate = AGES.filter((months) => this.#ranking.some(({ born }) => born < this.#bornAfter(months)));
    return [...new Set([...separate, ...(given ? [given] : [])])].sort((a, b) => a - b);
  }

  /**
   * A developer of the bundle, or the current user of that login.
   * @param {string} login
   * @returns {Person | null}
   */
  #developer(login) {
    const { people, currentUser } = this.#app;
    const isNamed = (/** @type {{login: string}} */ one) => one.login.toLowerCase() === login.toLowerCase();
    const developer = people.developers.find(isNamed);
    if (!developer) return currentUser && isNamed(currentUser) ? currentUser : null;
    const { name, vector, starsUsed } = developer;
    const nothingKnown = { starred: new Uint32Array(0), stars: null };
    return { kind: "developer", login: developer.login, name, vector, starsUsed, ...nothingKnown };
  }

  /** The form that makes a profile, and developers near to whom to list. */
  #askForPerson() {
    const { like } = this.#address;
    const { element } = loginForm(this.#app, {
      id: "login",
      label: "Your GitHub login",
      button: "What is rising for me",
      signal: this.#signal,
      login: like,
      onPerson: (person) => {
        this.#app.currentUser = person;
        this.#address = { ...this.#address, for: "you", like: "" };
        history.replaceState(history.state, "", risingHref({ ...this.#address }));
        this.#showChosen();
        this.#showList();
        announce(`What is rising near to ${person.login}`);
      },
    });
    return [
      like !== "" &&
        h(
          "p",
          { class: "unknown-name", role: "status" },
          h("strong", {}, like),
          " is no developer that came with this model. The stars of anybody on GitHub can be looked up here.",
        ),
      h("h2", {}, "Rising near to you"),
      h(
        "p",
        { class: "hint" },
        "What is rising for everybody, nearest to what you star first, without what you starred.",
      ),
      element,
      this.#developerLinks(),
    ];
  }

  #developerLinks() {
    const developers = this.#app.people.developers.slice(0, MAX_DEVELOPERS);
    const { field, language, topic, age } = this.#address;
    const filters = { field, language, topic, age };
    const links = chips(developers.map(({ login, name }) => [risingHref({ like: login, ...filters }), name]));
    return developers.length > 0 && h("p", { class: "examples" }, "Near to a developer: ", ...links);
  }

  /** Curve and figures of a repository of the ranking. @param {Ranked} one */
  #explain(one) {
    const pace = `${formatRate(one.perDay)} stars a day (${formatRate(one.low)} to ${formatRate(one.high)})`;
    const strong = (/** @type {string} */ text) => h("strong", {}, text);
    const figures = {
      "": [strong(`+${formatRate(100 * (one.growth ?? 0))}\u00a0%`), ` in 28 days: ${pace}`],
      stars: [strong(pace)],
      bursts: [
        strong(`${formatRate(one.burst)} times`),
        ` its usual share of all stars in the last ${one.burstDays} days (${formatRate(one.burstLow)} at least); ${pace}`,
      ],
    }[this.#address.by];
    const field = risingHref({ ...this.#address, field: one.category });
    return h(
      "div",
      { class: "trend" },
      repositorySparkline(this.#trends, one.row),
      h(
        "div",
        { class: "why" },
        h("p", {}, ...(figures ?? [])),
        h(
          "p",
          { class: "facts" },
          h("span", {}, `since ${formatMonth(one.born.slice(0, 7))}`),
          one.total !== null && h("span", {}, `${pluralize(one.total, "star")} in all`),
          one.category !== "" && h("a", { href: field }, one.category),
        ),
      ),
    );
  }

  #emptyNote() {
    if (this.#ranking.length) return "Nothing here passes these filters.";
    const evidence = `a repository needs ${this.#trends.leastStars} stars in the last 28 days`;
    return `Nothing is listed: ${[evidence, ...this.#trends.notes].join("; ")}.`;
  }

  /** The categories with their curves. @param {Field[]} categories */
  #fieldList(categories) {
    const newest = (/** @type {Field} */ { share }) => share.findLast((part) => part !== null) ?? 0;
    return h(
      "section",
      {},
      h("h2", {}, "Fields"),
      h("p", { class: "hint" }, "Share of the stars of all repositories by month, the latest beside it."),
      h(
        "ul",
        { class: "fields" },
        ...categories
          .toSorted((a, b) => newest(b) - newest(a))
          .map((field) =>
            h(
              "li",
              { class: "trend" },
              sparkline(this.#trends.months, field.share, formatShare),
              h("a", { href: risingHref({ field: field.key }) }, field.name),
              h("span", { class: "number" }, formatShare(newest(field))),
            ),
          ),
      ),
    );
  }

  /** What the numbers mean, and what is missing. */
  #explanations() {
    const { notes, leastStars, gaps } = this.#trends;
    const term = (/** @type {string} */ name, /** @type {string} */ text) => [h("dt", {}, name), h("dd", {}, text)];
    const sentences = gapSentences(this.#trends.months, gaps);
    const items = sentences.map((sentence) => h("li", {}, sentence));
    return h(
      "section",
      { class: "prose" },
      h("h2", {}, "What these numbers say"),
      h(
        "dl",
        {},
        ...term(
          "Growth",
          "The stars expected in the next 28 days at the recent pace, by the stars that a repository has (and 40 more, so that a handful is no trend). Listed is what grows more than twice as fast as is usual, even at the lower end of its range.",
        ),
        ...term("Most stars", "The stars a day at the recent pace, however many a repository has."),
        ...term(
          "Bursts",
          "A repository’s share of the stars of all repositories in the last 7 or 14 days, compared with its share on the days before. Listed is what has twice its usual share even at the lower end of its range.",
        ),
        ...term(
          "Stars a day",
          "The latest days count most, those 15 days earlier half as much. What the data lack of the stars on GitHub is added in proportion, where it is known.",
        ),
        ...term(
          "In brackets",
          "A range that has the true pace in it in about 19 of 20 cases. Where it is wide there are few stars to judge by.",
        ),
        ...term(
          "A curve",
          "Stars by month, from none to the repository’s own highest month: compare its shape with others, not its height. Beside a field it is the share of the stars of all repositories.",
        ),
        ...term(
          "A gap",
          "A shaded month is one of which these data have too little. How many stars were given then is not known, so nothing is drawn there: it is no fall.",
        ),
        ...term("Since", "The month of its creation, or of its first star in these data where that is not known."),
      ),
      h(
        "p",
        { class: "hint" },
        [`Nothing is listed with fewer than ${leastStars} stars in the last 28 days`, ...notes].join("; "),
        ".",
      ),
      items.length > 0 && h("h3", {}, "Gaps"),
      items.length > 0 && h("ul", {}, ...items.slice(0, MAX_GAPS)),
      items.length > MAX_GAPS &&
        h("details", {}, h("summary", {}, `${items.length - MAX_GAPS} more`), h("ul", {}, ...items.slice(MAX_GAPS))),
    );
  }
}

/**
 * Whether a repository belongs to a category or a cluster.
 * @param {Field} field
 * @param {Ranked} repository
 */
const isIn = (field, { category, cluster }) =>
  field.kind === "category" ? category === field.name : cluster === field.cluster;

/** @param {number} months */
const ageLabel = (months) => (months % 12 ? `up to ${months} months` : `up to ${pluralize(months / 12, "year")}`);

/** A pace or a ratio as printed: 0.46, 3.4, 120. @param {number} value */
const formatRate = (value) => (value >= 9.95 ? formatCount(value) : value.toPrecision(2));

/**
 * A sentence for each run of months that are gaps for the same reason.
 * @param {string[]} months
 * @param {Map<string, string>} gaps reason by month
 */
function gapSentences(months, gaps) {
  /** @type {{first: string, last: string, reason: string}[]} */
  const runs = [];
  for (const [i, month] of months.entries()) {
    const reason = gaps.get(month);
    if (reason === undefined) continue;
    const run = runs.at(-1);
    if (run && run.last === months[i - 1] && run.reason === reason) run.last = month;
    else runs.push({ first: month, last: month, reason });
  }
  return runs.map(({ first, last, reason }) => {
    const span = first === last ? formatMonth(first) : `Each month from ${formatMonth(first)} to ${formatMonth(last)}`;
    return `${span} is a gap: ${reason}.`;
  });
}
