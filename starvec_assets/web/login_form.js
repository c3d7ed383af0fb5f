// Form that asks for a GitHub login, fetches its stars and builds the profile, or explains what failed and what to do.

import { announce, errorMessage, formatCount, h, pluralize, replace } from "./dom.js";
import { downloadSizeNote } from "./download_progress.js";
import { fetchStars, GitHubError } from "./github.js";
import { readLogin } from "./login.js";
import { connectCheckbox, readRemembered, rememberedNote, rememberIfWanted } from "./remember.js";
import { vocabularyOf } from "./scoring.js";

/** @import { Child } from "./dom.js" */
/** @import { StarList } from "./github.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

/**
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {string} options.label
 * @param {string} options.button
 * @param {AbortSignal} options.signal
 * @param {string} [options.login] initial value
 * @param {boolean} [options.useRemembered] whether a login that this device remembers is looked up at once, from its stars
 * @param {(person: Person) => void} options.onPerson
 * @returns {{element: HTMLElement, submit: () => Promise<void>}}
 */
export function loginForm(app, { id, label, button, signal, login: initial = "", useRemembered = true, onPerson }) {
  const input = h("input", {
    id,
    type: "text",
    name: "login",
    value: initial,
    autocomplete: "username",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 200,
    placeholder: "GitHub login",
    "aria-describedby": `${id}-status`,
  });
  const status = h("div", { id: `${id}-status`, class: "status" });
  let controller = new AbortController();
  let busyLogin = ""; // login that is being looked up

  const showStatus = (/** @type {Child[]} */ ...content) => replace(status, ...content);
  const showError = (/** @type {Child | Child[]} */ message, /** @type {(Node | false)[]} */ ...remedies) =>
    showStatus(h("p", { class: "error", role: "alert" }, ...[message].flat()), ...remedies);

  const submit = async () => {
    const { login, problem } = readLogin(input.value);
    if (login && login === busyLogin) return; // a double click
    controller.abort();
    busyLogin = "";
    if (!login) return showError(problem);
    const bar = h("progress", { "aria-label": "Pages of stars read" });
    const text = h("span", {}, "Asking api.github.com …");
    showStatus(h("div", { class: "download" }, bar, text));
    announce(`Fetching the stars of ${login}`);
    app.downloadConsented = true;
    const onPage = (/** @type {StarList} */ { stars, pages, pagesRead }) => {
      if (stars.length) app.engine.download(); // without stars no vectors are needed
      bar.max = pages;
      bar.value = pagesRead;
      text.textContent = `${pluralize(stars.length, "star")}, page ${formatCount(pagesRead)} of ${formatCount(pages)}`;
    };
    await loadProfile(login, (abort) => fetchStars(login, { token: app.token, signal: abort, onPage }));
  };

  /** Only the look-up that was started last, in a view that is still shown, calls `onPerson`. */
  const loadProfile = async (
    /** @type {string} */ login,
    /** @type {(abort: AbortSignal) => Promise<StarList>} */ getStars,
  ) => {
    controller.abort();
    controller = new AbortController();
    const abort = controller.signal;
    busyLogin = login;
    try {
      const person = await buildPerson(login, await getStars(abort), abort);
      if (!person || abort.aborted) return;
      showStatus();
      announce(`Profile of ${login} is ready`);
      rememberIfWanted(person);
      onPerson(person);
    } catch (error) {
      if (!abort.aborted) showFailure(login, error);
    } finally {
      if (controller.signal === abort) busyLogin = "";
    }
  };

  /** The person who gave `list`'s stars; null, with an error shown, when none of them is in the vocabulary. */
  const buildPerson = async (
    /** @type {string} */ login,
    /** @type {StarList} */ list,
    /** @type {AbortSignal} */ abort,
  ) => {
    if (abort.aborted) return null;
    if (!list.stars.length) {
      showError(
        `${login} has starred nothing in public, so there is nothing to make a profile of. Star a few repositories, or look at a developer instead.`,
      );
      return null;
    }
    const text = h("span", {}, `${pluralize(list.stars.length, "star")}; waiting for vectors …`);
    showStatus(h("div", { class: "download" }, h("progress", { "aria-label": "Working" }), text));
    const starred = await app.engine.rowsOfStars(list.stars);
    if (abort.aborted) return null;
    const used = vocabularyOf(app, starred);
    if (!used.length) {
      showError(
        `${login} has starred ${pluralize(list.stars.length, "repository", "repositories")}, but none of the ${formatCount(app.model.n)} known here, so there is nothing to make a profile of.`,
      );
      return null;
    }
    /** @type {Person} */
    const person = {
      kind: "self",
      login,
      name: login,
      vector: new Float32Array(app.model.d),
      refine: async () => void Object.assign(person, await app.engine.userVector(used)),
      starred,
      starsUsed: used.length,
      stars: list,
    };
    await person.refine?.();
    return person;
  };

  const showFailure = (/** @type {string} */ login, /** @type {unknown} */ error) => {
    if (!(error instanceof GitHubError)) return showError(errorMessage(error));
    const { partial } = error;
    const usePartial =
      partial.stars.length > 0 &&
      h(
        "button",
        { type: "button", class: "quiet", onclick: () => loadProfile(login, async () => partial) },
        `Go on with the newest ${formatCount(partial.stars.length)}`,
      );
    if (error.kind === "rate limit")
      showError(
        `${limitSpent(error.resets, Boolean(app.token))} Come back then${app.token ? "" : ", or paste a token"}.`,
        usePartial,
        tokenForm(),
      );
    else if (error.kind === "bad token") {
      app.token = ""; // or GitHub would refuse every later look-up
      showError(error.message, tokenForm());
    } else showError(error.message, usePartial);
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
    const useToken = (/** @type {Event} */ event) => {
      event.preventDefault();
      const token = field.value.trim();
      if (!/^[\x21-\x7e]{10,300}$/.test(token)) return field.focus();
      app.token = token;
      submit();
    };
    return h(
      "form",
      { class: "field-form token", onsubmit: useToken },
      h("label", { for: `${id}-token` }, "A GitHub token, for 5,000 look-ups an hour"),
      h("div", { class: "field" }, field, h("button", { type: "submit" }, "Use it")),
      h(
        "p",
        { id: `${id}-token-hint`, class: "hint" },
        "It needs no permissions at all. It stays in the memory of this tab, is sent to api.github.com only, and is gone when you close or reload the page.",
      ),
    );
  };

  signal.addEventListener("abort", () => controller.abort());
  const onsubmit = (/** @type {Event} */ event) => {
    event.preventDefault();
    submit();
  };
  const remember = h("input", { id: `${id}-remember`, type: "checkbox" });
  connectCheckbox(remember);
  const form = h(
    "form",
    { class: "field-form", onsubmit },
    h("label", { for: id }, label),
    h("div", { class: "field" }, input, h("button", { type: "submit" }, button)),
    h("label", { class: "check" }, remember, " Remember me on this device"),
  );
  const note = h("div", {});
  const showRemembered = () => {
    remember.checked = readRemembered() !== null;
    replace(note, rememberedNote(showRemembered));
  };
  showRemembered();
  const known = useRemembered ? readRemembered() : null;
  if (known && (!initial || initial.toLowerCase() === known.login.toLowerCase())) {
    input.value = known.login;
    app.engine.download();
    loadProfile(known.login, async () => known.list);
  }
  return { element: h("div", { class: "login-form" }, form, status, note, downloadSizeNote(app)), submit };
}

/**
 * That GitHub allows no more requests, and until when.
 * @param {Date | null} resets when it allows them again, if it said so
 * @param {boolean} hasToken
 */
export function limitSpent(resets, hasToken) {
  const when = resets ? `until ${resets.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}` : "for now";
  return hasToken
    ? `The requests that GitHub allows with this token are spent ${when}.`
    : `GitHub allows 60 requests an hour without a token, and yours are spent ${when}.`;
}
