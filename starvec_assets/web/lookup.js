// From a login to a person: asks for it, fetches the stars, says what went wrong and what can be done about it.

import { announce, count, h, plural, replace, said } from "./dom.js";
import { sizeNote } from "./download.js";
import { GitHubError, starsOf } from "./github.js";
import { rowsOf, vectorOf } from "./profile.js";
import { LOGIN } from "./share.js";

/**
 * @typedef {import('./app.js').App} App
 * @typedef {import('./github.js').Stars} Stars
 * @typedef {import('./profile.js').Person} Person
 */

/**
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.label
 * @param {string} options.button
 * @param {AbortSignal} options.signal
 * @param {string} [options.login] already in the field
 * @param {(login: string) => boolean} [options.elsewhere] true: another view looks this login up
 * @param {(person: Person) => void} options.onPerson
 */
export function lookup(app, { id, label, button, signal, login = "", elsewhere, onPerson }) {
  const input = h("input", {
    id,
    type: "text",
    name: "login",
    value: login,
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 200,
    placeholder: "GitHub login",
    "aria-describedby": `${id}-state`,
  });
  const state = h("div", { id: `${id}-state`, class: "state" });
  let running = new AbortController();
  let busy = ""; // the login that is under way

  const say = (/** @type {(Node | string | false)[]} */ ...content) => replace(state, ...content);
  const trouble = (/** @type {string} */ text, /** @type {(Node | false)[]} */ ...ways) =>
    say(h("p", { class: "trouble", role: "alert" }, text), ...ways);

  const look = async () => {
    const who = asLogin(input.value);
    if (who && who === busy) return; // a double click
    running.abort();
    busy = "";
    if (!who)
      return trouble(
        input.value.trim()
          ? "That is no GitHub login: letters, digits and single hyphens, at most 39 of them."
          : "Type a GitHub login first.",
      );
    if (elsewhere?.(who)) return;
    const bar = h("progress", { "aria-label": "Pages of stars read" });
    const text = h("span", {}, "Asking api.github.com …");
    say(h("div", { class: "download" }, bar, text));
    announce(`Fetching the stars of ${who}`);
    app.agreed = true;
    const onPage = (/** @type {number} */ read, /** @type {number} */ pages, /** @type {number} */ found) => {
      if (found) app.engine.download(); // not for nobody
      bar.max = pages;
      bar.value = read;
      text.textContent = `${plural(found, "star")}, page ${count(read)} of ${count(pages)}`;
    };
    await work(who, (stop) => starsOf(who, { token: app.token, signal: stop, onPage }));
  };

  /** Only what was begun last, in a view that is still there, may end in a person. */
  const work = async (/** @type {string} */ who, /** @type {(stop: AbortSignal) => Promise<Stars>} */ gather) => {
    running.abort();
    running = new AbortController();
    const stop = running.signal;
    busy = who;
    try {
      const person = await become(who, await gather(stop), stop);
      if (!person || stop.aborted) return;
      say();
      announce(`Profile of ${who} is ready`);
      onPerson(person);
    } catch (error) {
      if (!stop.aborted) failed(who, error);
    } finally {
      if (running.signal === stop) busy = "";
    }
  };

  /** The person whose stars these are; null where they make none, which is said. */
  const become = async (
    /** @type {string} */ who,
    /** @type {Stars} */ stars,
    /** @type {AbortSignal} */ stop,
  ) => {
    if (stop.aborted) return null;
    if (!stars.stars.length) {
      trouble(
        `${who} has starred nothing in public, so there is nothing to make a profile of. Star a few repositories, or look at a developer instead.`,
      );
      return null;
    }
    say(
      h(
        "div",
        { class: "download" },
        h("progress", { "aria-label": "Working" }),
        h("span", {}, `${plural(stars.stars.length, "star")}; waiting for vectors …`),
      ),
    );
    await Promise.all([app.catalogue.namesReady, app.catalogue.columnsReady]);
    if (stop.aborted) return null;
    const starred = rowsOf(app.catalogue, stars);
    if (!starred.length) {
      trouble(
        `${who} has starred ${plural(stars.stars.length, "repository", "repositories")}, but none of the ${count(app.model.n)} known here, so there is nothing to make a profile of.`,
      );
      return null;
    }
    /** @type {Person} */
    const person = {
      kind: "me",
      login: who,
      name: who,
      vector: await vectorOf(app, starred),
      exact: app.engine.exact.then(async () => {
        person.vector = await vectorOf(app, starred);
      }),
      starred,
      used: starred.length,
      stars,
    };
    person.exact.catch(() => {}); // the download bar says what went wrong
    return person;
  };

  const failed = (/** @type {string} */ who, /** @type {unknown} */ error) => {
    if (!(error instanceof GitHubError)) return trouble(said(error));
    const partial =
      error.partial.stars.length > 0 &&
      h(
        "button",
        { type: "button", class: "quiet", onclick: () => work(who, async () => error.partial) },
        `Go on with the newest ${count(error.partial.stars.length)}`,
      );
    if (error.kind === "limit") trouble(limitMessage(error.resets, Boolean(app.token)), partial, tokenForm());
    else if (error.kind === "token") {
      app.token = ""; // or every further look-up would be refused
      trouble(error.message, tokenForm());
    } else trouble(error.message, partial);
  };

  const tokenForm = () => {
    const field = h("input", {
      id: `${id}-token`,
      type: "password",
      autocomplete: "off",
      spellcheck: "false",
      maxlength: 300,
      "aria-describedby": `${id}-token-hint`,
    });
    const use = (/** @type {Event} */ event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (!/^[\x21-\x7e]{10,300}$/.test(token)) return field.focus();
      app.token = token;
      look();
    };
    return h(
      "form",
      { class: "ask token", onsubmit: use },
      h("label", { for: `${id}-token` }, "A GitHub token, for 5,000 look-ups an hour"),
      h("div", { class: "field" }, field, h("button", { type: "submit" }, "Use it")),
      h(
        "p",
        { id: `${id}-token-hint`, class: "hint" },
        "It needs no permissions at all. It stays in the memory of this tab, is sent to api.github.com only, and is gone when you close or reload the page.",
      ),
    );
  };

  signal.addEventListener("abort", () => running.abort());
  const form = h(
    "form",
    { class: "ask", onsubmit: (event) => (event.preventDefault(), look()) },
    h("label", { for: id }, label),
    h("div", { class: "field" }, input, h("button", { type: "submit" }, button)),
  );
  return { element: h("div", { class: "lookup" }, form, state, sizeNote(app)), look };
}

/** A login as typed or pasted, '' if it is none. @param {string} text */
export function asLogin(text) {
  const login = text
    .trim()
    .replace(/^(https?:\/\/)?(www\.)?github\.com\//, "")
    .replace(/^@/, "")
    .replace(/[/?#].*$/, "");
  return LOGIN.test(login) ? login : "";
}

/** @param {Date | null} resets @param {boolean} token */
function limitMessage(resets, token) {
  const when = resets ? `until ${resets.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}` : "for now";
  return token
    ? `The requests that GitHub allows with this token are spent ${when}. Come back then.`
    : `GitHub allows 60 requests an hour without a token, and yours are spent ${when}. Come back then, or paste a token.`;
}
