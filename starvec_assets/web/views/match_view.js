// People put together: what a team covers, who is like whom, who has what somebody looks for, and who would star a
// repository. The address holds listed developers and what is asked; everybody else is in the memory of the tab.

import { cardMaker, ownPrototypes } from "../card_maker.js";
import { combobox, shortened } from "../combobox.js";
import { announce, errorMessage, formatCount, h, pluralize, replace } from "../dom.js";
import { downloadProgress, downloadSizeNote, isOnDevice, wordsProgress } from "../download_progress.js";
import { loginForm } from "../login_form.js";
import { haveWish, likeThem, wouldStarIt } from "../match_answer.js";
import { developerPerson } from "../person.js";
import { legend, MAX_SERIES, radar } from "../radar.js";
import { skillPercentiles } from "../scoring.js";
import { copy, copyField } from "../share_panel.js";
import { MAX_QUERY_LENGTH } from "../state.js";
import { MAX_PEOPLE, memberName, mergePeople, readPeople, teamHref } from "../team.js";
import { teamTable } from "../team_table.js";

/** @import { Child } from "../dom.js" */
/** @import { Person } from "../scoring.js" */
/** @import { App } from "../state.js" */
/**
 * @typedef {"like" | "wish" | "star"} Mode
 * @typedef {{kind: "field" | "repository" | "text", value: string}} Wish
 */

/** @type {Record<Mode, string>} */
const MODES = { like: "Like one of them", wish: "Has what one looks for", star: "Who would star it" };
/** @type {Wish["kind"][]} */
const WISH_KINDS = ["field", "repository", "text"];
const INITIAL_RADARS = 3;
const EXAMPLE_SIZE = 4;

/**
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {URLSearchParams} parameters `with`: logins of developers; `card`: links and cards; `mode`; `for`: login of the
 *   developer who asks; `field`, `repository` or `text`: what is looked for
 */
export function matchView(app, signal, parameters) {
  return [
    h(
      "section",
      { class: "similar match" },
      h("h1", { tabindex: -1 }, "Put people together"),
      h(
        "p",
        { class: "lead" },
        "What a team covers, who is like whom, who has what you look for, who would star a repository. All of it is computed in this browser: nobody is uploaded.",
      ),
      ...new MatchPage(app, signal, parameters).open(),
    ),
  ];
}

/** A wish that has no place; the message is one sentence for the reader. */
class WishError extends Error {}

/** A team and what is asked of it. */
class MatchPage {
  #app;
  #signal;
  #parameters;
  /** Of the team, the listed developers and the owners of links. @type {Person[]} */
  #people = [];
  #withSelf;
  /** @type {Mode} */
  #mode;
  /** @type {Wish | null} */
  #wish;
  /** Who asks, null for the first of the team. @type {Person | null} */
  #asker = null;
  /** Those whose radars are overlaid. @type {Set<Person>} */
  #onRadar = new Set();
  #latestRanking = 0;
  #problems = h("div", {});
  #yourself = h("div", {});
  #table = h("div", {});
  #chart = h("div", { class: "team-chart" });
  #shareOutput = h("div", { class: "share-output" });
  #controls = h("div", {});
  #ranking = h("div", {});

  /**
   * @param {App} app
   * @param {AbortSignal} signal
   * @param {URLSearchParams} parameters
   */
  constructor(app, signal, parameters) {
    this.#app = app;
    this.#signal = signal;
    this.#parameters = parameters;
    const mode = parameters.get("mode") ?? "";
    this.#mode = Object.hasOwn(MODES, mode) ? /** @type {Mode} */ (mode) : "like";
    const kind = WISH_KINDS.find((one) => parameters.get(one));
    this.#wish = kind ? { kind, value: (parameters.get(kind) ?? "").slice(0, MAX_QUERY_LENGTH) } : null;
    this.#withSelf = parameters.get("me") !== "no";
  }

  /** The whole team, the current user first. */
  get #team() {
    const { currentUser } = this.#app;
    return currentUser && this.#withSelf ? mergePeople([currentUser], this.#people) : this.#people;
  }

  /** Who asks in modes that compare people with one of them. */
  get #asking() {
    return this.#asker && this.#team.includes(this.#asker) ? this.#asker : this.#team[0];
  }

  /** @returns {Node[]} */
  open() {
    const { engine, team } = this.#app;
    const given = [...this.#parameters.getAll("with"), ...this.#parameters.getAll("card")];
    if (given.length) this.#people = team.filter(({ kind }) => kind === "shared");
    else this.#people = team;
    this.#add(given.join("\n"), false);
    const asker = this.#parameters.get("for")?.toLowerCase();
    this.#asker = this.#people.find(({ kind, login }) => kind === "developer" && login.toLowerCase() === asker) ?? null;
    for (const person of this.#team.slice(0, INITIAL_RADARS)) this.#onRadar.add(person);
    engine.addEventListener("refined", () => this.#refine(), { signal: this.#signal });
    this.#update();
    return [
      this.#form(),
      this.#problems,
      this.#yourself,
      this.#table,
      h(
        "div",
        { class: "team-parts" },
        this.#chart,
        h(
          "div",
          {},
          this.#controls,
          downloadProgress(this.#app, this.#signal),
          wordsProgress(this.#app, this.#signal),
          this.#ranking,
        ),
      ),
    ];
  }

  /** Compute the current user's numbers again, from what has arrived. */
  async #refine() {
    await this.#app.currentUser?.refine?.();
    if (!this.#signal.aborted) this.#showTeam();
  }

  /** Show everything of a team that has changed. */
  #update() {
    this.#app.team = this.#people;
    replace(this.#shareOutput); // a link to the team as it was
    this.#updateAddress();
    this.#showYourself();
    this.#showTeam();
    this.#showControls();
    this.#rank();
  }

  /** Keep the listed developers and what is asked in the address, and nobody else. */
  #updateAddress() {
    const developers = this.#people.filter(({ kind }) => kind === "developer");
    const href = teamHref(this.#app, developers, {
      me: this.#withSelf ? "" : "no",
      mode: this.#mode === "like" ? "" : this.#mode,
      for: this.#asker?.kind === "developer" ? this.#asker.login : "",
      ...(this.#wish && { [this.#wish.kind]: this.#wish.value }),
    });
    history.replaceState(history.state, "", href);
  }

  /**
   * Add the people whom a text names, unless that makes too many.
   * @param {string} text
   * @param {boolean} isAnnounced
   */
  #add(text, isAnnounced) {
    const { people, problems } = readPeople(this.#app, text);
    const before = this.#team.length;
    const merged = mergePeople(this.#people, people);
    const total = mergePeople(this.#team, people).length;
    const isTooMany = total > MAX_PEOPLE;
    if (isTooMany) problems.unshift(tooMany(total));
    else this.#people = merged;
    const known = isTooMany ? 0 : before + people.length - total;
    const note = known > 0 && `${pluralize(known, "person was", "people were")} in the team already.`;
    this.#showProblems(problems, isAnnounced && note);
    for (const person of this.#people.slice(-people.length))
      if (people.includes(person) && this.#onRadar.size < INITIAL_RADARS) this.#onRadar.add(person);
    if (isAnnounced && total > before && !isTooMany) announce(`${pluralize(total, "person", "people")} in the team`);
    return !problems.length;
  }

  /**
   * @param {string[]} problems
   * @param {string | false} [note]
   */
  #showProblems(problems, note) {
    replace(
      this.#problems,
      ...problems.map((problem) => h("p", { class: "error", role: "alert" }, problem)),
      note && h("p", { class: "hint", role: "status" }, note),
    );
  }

  /** The field for names, links and cards. */
  #form() {
    const field = h("input", {
      id: "team-add",
      type: "text",
      list: "team-developers",
      autocomplete: "off",
      autocapitalize: "none",
      spellcheck: "false",
      placeholder: "a name, or links",
      "aria-describedby": "team-add-hint",
      onpaste: (event) => {
        // A field of one line would join the lines, or some browsers drop what is between them.
        const text = /** @type {ClipboardEvent} */ (event).clipboardData?.getData("text") ?? "";
        if (!/\n/.test(text.trim())) return;
        event.preventDefault();
        field.setRangeText(text.replace(/\s+/g, " "), field.selectionStart ?? 0, field.selectionEnd ?? 0, "end");
      },
    });
    const onsubmit = (/** @type {Event} */ event) => {
      event.preventDefault();
      if (!field.value.trim()) return field.focus();
      if (this.#add(field.value, true)) field.value = "";
      this.#update();
    };
    const developers = this.#app.people.developers.map(({ login, name }) => h("option", { value: login }, name));
    return h(
      "form",
      { class: "field-form", onsubmit },
      h("label", { for: "team-add" }, "Add people"),
      h("div", { class: "field" }, field, h("button", { type: "submit" }, "Add")),
      h(
        "p",
        { id: "team-add-hint", class: "hint" },
        `A listed developer, or links and cards that people sent you: up to ${MAX_PEOPLE}, separated by blanks or lines. They stay in the memory of this tab: a reload forgets them.`,
      ),
      h("datalist", { id: "team-developers" }, ...developers),
    );
  }

  /** The current user: look up, put into the team, and make a card. */
  #showYourself() {
    const { currentUser } = this.#app;
    if (!currentUser) {
      if (this.#yourself.querySelector("details")) return; // a look-up may be under way
      const { element } = loginForm(this.#app, {
        id: "team-login",
        label: "Your GitHub login",
        button: "Add me",
        signal: this.#signal,
        useRemembered: false,
        onPerson: (person) => {
          this.#app.currentUser = person;
          if (this.#onRadar.size < MAX_SERIES) this.#onRadar.add(person);
          this.#addSelf(person);
        },
      });
      return replace(this.#yourself, h("details", {}, h("summary", {}, "Add yourself"), element));
    }
    if (!this.#withSelf)
      return replace(
        this.#yourself,
        h(
          "p",
          {},
          h(
            "button",
            { type: "button", class: "quiet", onclick: () => this.#addSelf(currentUser) },
            `Add yourself, ${currentUser.login}`,
          ),
        ),
      );
    if (!this.#yourself.querySelector(".card-maker"))
      replace(this.#yourself, cardMaker(this.#app, this.#signal, currentUser));
  }

  /** @param {Person} currentUser */
  #addSelf(currentUser) {
    const total = mergePeople([currentUser], this.#people).length;
    this.#withSelf = total <= MAX_PEOPLE;
    this.#showProblems(this.#withSelf ? [] : [tooMany(total)]);
    this.#update();
  }

  /** Table and radars of the team, or what a team is good for. */
  #showTeam() {
    const team = this.#team;
    if (!team.length) {
      replace(this.#chart);
      return replace(this.#table, ...introduction(this.#app));
    }
    replace(
      this.#table,
      h("h2", {}, "Who covers what"),
      ...teamTable(this.#app, team, (person, i) => this.#memberControls(person, i)),
      this.#shareTeam(),
    );
    this.#showChart();
  }

  /**
   * Whether a person is on the radar, and a button that takes the person out.
   * @param {Person} person
   * @param {number} i
   */
  #memberControls(person, i) {
    const name = memberName(person);
    const box = h("input", {
      id: `team-radar-${i}`,
      type: "checkbox",
      checked: this.#onRadar.has(person),
      "aria-label": `${name} on the radar`,
      disabled: this.#onRadar.size >= MAX_SERIES && !this.#onRadar.has(person),
      onchange: () => {
        if (box.checked) this.#onRadar.add(person);
        else this.#onRadar.delete(person);
        this.#showTeam();
      },
    });
    const remove = () => {
      if (person.kind === "self") this.#withSelf = false;
      else this.#people = this.#people.filter((other) => other !== person);
      this.#onRadar.delete(person);
      announce(`${name} was taken out`);
      this.#update();
    };
    const label = `Remove ${name}`;
    const button = {
      id: `team-remove-${i}`,
      type: "button",
      class: "remove",
      "aria-label": label,
      title: "remove",
      onclick: remove,
    };
    return { before: box, after: h("button", button, "×") };
  }

  #showChart() {
    const shown = this.#team.filter((person) => this.#onRadar.has(person));
    const titles = this.#app.people.categories.map(({ title }) => title);
    const series = shown.map((person) => ({
      label: memberName(person),
      percentiles: skillPercentiles(this.#app.people, person),
    }));
    replace(
      this.#chart,
      h("h2", {}, "Overlaid"),
      h("p", { class: "hint" }, `Tick in the table who is drawn, at most ${MAX_SERIES} at once.`),
      ...(series.length ? [radar(titles, series), legend(series)] : []),
    );
  }

  /** Button that makes a link to the whole team. */
  #shareTeam() {
    const { currentUser } = this.#app;
    const others = this.#people;
    const linked = others.filter(({ kind }) => kind === "shared").length;
    const copyLink = () => {
      const href = teamHref(this.#app, others, { card: (this.#withSelf && currentUser?.card) || "" });
      const address = new URL(href, location.href).href;
      replace(this.#shareOutput);
      const field = copyField(this.#shareOutput, "team-link", "Link to this team", address);
      const held = [
        linked > 0 &&
          `It holds what ${pluralize(linked, "link", "links")} and cards told of people: share it with those only to whom they agree.`,
        this.#withSelf &&
          currentUser &&
          (currentUser.card ? "You are in it by your card." : "You are not in it: make a card first."),
      ];
      this.#shareOutput.append(
        h("p", { class: "hint" }, held.filter(Boolean).join(" ") || "It holds the logins of listed developers."),
      );
      copy(address, field, "Link copied");
    };
    return h(
      "div",
      { class: "share" },
      h("button", { type: "button", class: "quiet", onclick: copyLink }, "Copy a link to this team"),
      this.#shareOutput,
    );
  }

  /** What is asked of the team. */
  #showControls() {
    const team = this.#team;
    if (!team.length) return replace(this.#controls);
    const choose = (/** @type {Mode} */ mode) => () => {
      this.#mode = mode;
      this.#changed();
    };
    const buttons = Object.entries(MODES).map(([mode, label]) =>
      h(
        "button",
        {
          type: "button",
          id: `mode-${mode}`,
          class: "chip",
          "aria-pressed": String(mode === this.#mode),
          onclick: choose(/** @type {Mode} */ (mode)),
        },
        label,
      ),
    );
    replace(
      this.#controls,
      h("h2", {}, "Who matches"),
      h("div", { class: "examples", role: "group", "aria-label": "What to ask" }, ...buttons),
      this.#mode !== "star" &&
        h("div", { class: "filters" }, this.#askerSelect(), this.#mode === "wish" && this.#fieldSelect()),
      this.#mode !== "like" && this.#wishField(),
    );
  }

  /** What is asked has changed, not the team. */
  #changed() {
    this.#updateAddress();
    this.#showControls();
    this.#rank();
  }

  /** Who of the team asks. */
  #askerSelect() {
    const team = this.#team;
    const select = h("select", {
      id: "team-asker",
      onchange: () => {
        this.#asker = team[Number(select.value)];
        this.#changed();
      },
    });
    select.append(...team.map((person, i) => h("option", { value: i }, memberName(person))));
    select.value = String(team.indexOf(this.#asking));
    return h("div", {}, h("label", { for: select.id }, this.#mode === "like" ? "Like" : "Who asks"), select);
  }

  /** A field of the radar as the wish. */
  #fieldSelect() {
    const select = h("select", {
      id: "team-field",
      onchange: () => this.#lookFor({ kind: "field", value: select.value }),
    });
    select.append(
      h("option", { value: "" }, "choose a field"),
      ...this.#app.people.categories.map(({ name, title }) => h("option", { value: name }, title)),
    );
    select.value = this.#wish?.kind === "field" ? this.#wish.value : "";
    return h("div", {}, h("label", { for: select.id }, "Looks for"), select);
  }

  /** A repository or a sentence as the wish. */
  #wishField() {
    const isStar = this.#mode === "star";
    return combobox(this.#app, {
      id: "team-wish",
      label: isStar ? "Repository" : "Or for a repository, or in words",
      value: this.#wish && this.#wish.kind !== "field" ? this.#wish.value : "",
      hint: isStar ? "By name, or in words what it does." : "",
      button: isStar ? "Who would star it" : "Look",
      onChoose: ({ name }) => this.#lookFor({ kind: "repository", value: name }),
      onMissing: (name) => this.#lookFor({ kind: "repository", value: name }),
      onText: (text) => this.#lookFor({ kind: "text", value: text.trim() }),
    });
  }

  /** @param {Wish} wish */
  #lookFor(wish) {
    this.#wish = wish;
    const select = this.#controls.querySelector("select#team-field");
    if (select instanceof HTMLSelectElement) select.value = wish.kind === "field" ? wish.value : "";
    this.#updateAddress();
    this.#rank();
  }

  /** Show the answer to what is asked, or what is missing for it. */
  async #rank() {
    const number = ++this.#latestRanking;
    const isOutdated = () => number !== this.#latestRanking || this.#signal.aborted;
    const show = (/** @type {Child[]} */ ...content) => isOutdated() || replace(this.#ranking, ...content);
    const hint = (/** @type {string} */ text) => show(h("p", { class: "hint", role: "status" }, text));
    const team = this.#team;
    if (!team.length) return show();
    const needsWish = this.#mode !== "like";
    if (this.#mode !== "star" && team.length < 2) return hint("Add somebody to compare with.");
    if (needsWish && !this.#usableWish)
      return hint(
        this.#mode === "star"
          ? "Name a repository."
          : "Say what you look for: without a wish nobody is found who has what others lack.",
      );
    try {
      const withWords = needsWish && this.#wish?.kind === "text";
      if (!this.#app.downloadConsented && !(await isOnDevice(this.#app, withWords)))
        return show(...this.#downloadPrompt(withWords));
      this.#app.engine.download();
      hint("Comparing …");
      const { place, row } = needsWish ? await this.#placeWish() : { place: null, row: -1 };
      if (isOutdated()) return;
      await this.#makeOwnPrototypes();
      if (isOutdated()) return;
      show(needsWish && this.#wishTitle(), ...this.#answer(place, row));
    } catch (error) {
      if (error instanceof WishError) return show(h("p", { class: "error", role: "alert" }, error.message));
      const retry = h("button", { type: "button", class: "quiet", onclick: () => this.#rank() }, "Try again");
      show(h("p", { class: "error", role: "alert" }, errorMessage(error), " ", retry));
    }
  }

  /** What is looked for, if this mode can look for it. */
  get #usableWish() {
    return this.#wish && (this.#mode === "wish" || this.#wish.kind !== "field") && this.#wish.value ? this.#wish : null;
  }

  /** @param {boolean} withWords */
  #downloadPrompt(withWords) {
    const consent = () => {
      this.#app.downloadConsented = true;
      this.#rank();
    };
    return [downloadSizeNote(this.#app, withWords), h("button", { type: "button", onclick: consent }, "Compare them")];
  }

  /**
   * Where the wish lies, a unit vector, and the row of the repository that it is, or -1.
   * @returns {Promise<{place: Float32Array, row: number}>}
   * @throws {WishError}
   */
  async #placeWish() {
    const { engine, people, model } = this.#app;
    const { kind, value } = /** @type {Wish} */ (this.#usableWish);
    if (kind === "field") {
      const category = people.categories.find(({ name }) => name === value);
      if (category) return { place: category.place, row: -1 };
      throw new WishError(`${shortened(value)} is no field of these data: choose one.`);
    }
    if (kind === "repository") {
      const [repository] = await engine.repositoriesNamed([value]);
      if (repository) return { place: await engine.vectors([repository.row]), row: repository.row };
      const [nearest] = await engine.nearestNames(value, 1);
      throw new WishError(
        `${shortened(value)} is not among the ${formatCount(model.n)} repositories known here${nearest ? `; the nearest name is ${nearest.name}` : ""}. Name another, or say in words what it does.`,
      );
    }
    const place = await engine.placeText(value);
    if (place.some(Boolean)) return { place, row: -1 };
    throw new WishError("No word of this is known here: say it in other words.");
  }

  /** What is looked for. */
  #wishTitle() {
    const { kind, value } = /** @type {Wish} */ (this.#usableWish);
    const title = this.#app.people.categories.find(({ name }) => kind === "field" && name === value)?.title;
    return h("p", { class: "wish" }, kind === "text" ? h("q", {}, shortened(value)) : (title ?? value));
  }

  /** The current user is compared by prototypes, as everybody else is. */
  async #makeOwnPrototypes() {
    const { currentUser } = this.#app;
    if (currentUser && this.#withSelf) currentUser.prototypes ??= await ownPrototypes(this.#app, currentUser);
  }

  /**
   * The answer to what is asked.
   * @param {Float32Array | null} place of the wish
   * @param {number} row of the repository that it is, or -1
   */
  #answer(place, row) {
    const asking = this.#asking;
    const others = this.#team.filter((person) => person !== asking);
    if (!place) return likeThem(this.#app, asking, others);
    if (this.#mode === "wish") return haveWish(this.#app, asking, others, place);
    return wouldStarIt(this.#app, this.#team, place, row);
  }
}

/** That a team would be too large. @param {number} total */
const tooMany = (total) =>
  `That would be ${formatCount(total)} people: a team has at most ${MAX_PEOPLE}. Nobody was added.`;

/**
 * What a team is good for, and one to try.
 * @param {App} app
 */
function introduction(app) {
  const { developers } = app.people;
  const size = Math.min(EXAMPLE_SIZE, developers.length);
  const example = Array.from({ length: size }, (_, i) => developers[Math.floor((i * developers.length) / size)]);
  const href = teamHref(app, example.map(developerPerson));
  return [
    h("h2", {}, "Nobody is here yet"),
    h(
      "p",
      {},
      "Add yourself, developers who are listed here, or people who sent you a link to their profile or their card. Then you see which fields they cover together, and which nobody does.",
    ),
    size > 1 &&
      h(
        "p",
        { class: "examples" },
        h("a", { class: "chip", href }, `Try it with ${formatCount(size)} listed developers`),
      ),
  ];
}
