// A repository that is not known here: GitHub is asked about it, if the visitor wants, and it is placed by its text.

import { announce, errorMessage, formatCount, h, replace } from "./dom.js";
import { downloadSizeNote } from "./download_progress.js";
import { fetchRepository, GitHubError } from "./github.js";
import { REPOSITORY_PATTERN } from "./github_names.js";
import { limitSpent } from "./login_form.js";
import { normalizeQuery } from "./name_search.js";
import { placedMark, repoList } from "./repo_list.js";
import { similarHref } from "./state.js";

/** @import { RepositoryFacts } from "./github.js" */
/** @import { App } from "./state.js" */

/**
 * Button that asks GitHub about a repository, replaced by its facts and neighbours; nothing if `name` cannot be one.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {string} name
 */
export function githubQuestion(app, signal, name) {
  const asked = normalizeQuery(name);
  if (!REPOSITORY_PATTERN.test(asked)) return null;
  const container = h("div", { class: "github-question" });
  const status = h("div", { class: "status" });
  const button = h("button", { type: "button", onclick: () => ask() }, "Ask GitHub about it");
  const show = (/** @type {RepositoryFacts} */ facts) => replace(container, ...placedRepository(app, signal, facts));
  const ask = async () => {
    button.disabled = true;
    app.downloadConsented = true; // the size of the download is beside the button
    replace(status, h("p", { class: "hint", role: "status" }, "Asking api.github.com …"));
    try {
      const facts = await fetchRepository(asked, { token: app.token, signal });
      if (signal.aborted) return;
      const [known] = await app.engine.repositories(await app.engine.rowsOfStars([facts]));
      if (signal.aborted) return;
      if (known) {
        location.hash = similarHref([known.name]); // known by another name than the one asked for
        return;
      }
      app.askedRepositories.set(asked, facts);
      show(facts);
      announce(`${facts.name} is placed by its description`);
      container.querySelector("h2")?.focus();
    } catch (error) {
      if (signal.aborted) return;
      button.disabled = false;
      replace(status, h("p", { class: "error", role: "alert" }, describeFailure(app, error)));
    }
  };
  const facts = app.askedRepositories.get(asked);
  if (facts) show(facts);
  else
    replace(
      container,
      h(
        "p",
        { class: "hint" },
        "GitHub can be asked what it is: its name, description and topics then give it a place here. GitHub learns the name, in one or two requests.",
      ),
      downloadSizeNote(app, true),
      button,
      status,
    );
  return container;
}

/**
 * What a repository is, and what is near its place.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {RepositoryFacts} facts
 */
function placedRepository(app, signal, facts) {
  const { name, description, language, topics, stars, readme } = facts;
  const text = [name, description, topics.join(" "), language, readme].join("\n");
  let isPlaced = true;
  return [
    h("h2", { tabindex: -1 }, "Near ", h("span", { class: "title-name" }, name)),
    h("p", { class: "lead" }, description || topics.join(", ") || "GitHub has no description of it."),
    h(
      "p",
      { class: "facts" },
      language && h("span", {}, language),
      h("span", {}, `${formatCount(stars)} ★ on GitHub`),
      placedMark(),
      h("a", { href: `https://github.com/${name}`, rel: "noopener noreferrer" }, "on GitHub"),
    ),
    repoList(app, {
      id: "placed",
      signal,
      needsWords: true,
      search: async (filter, k) => {
        const place = await app.engine.placeText(text);
        isPlaced = place.some(Boolean);
        if (!isPlaced) return { indices: [], cosines: [], exact: true };
        return app.engine.search(place, { k, filter });
      },
      emptyNote: () =>
        isPlaced
          ? "No repository passes these filters: allow more languages or fewer stars."
          : "No word of its name, description or topics is known here, so it has no place.",
    }),
  ];
}

/**
 * @param {App} app
 * @param {unknown} error
 */
function describeFailure({ token }, error) {
  if (error instanceof GitHubError && error.kind === "rate limit")
    return `${limitSpent(error.resets, Boolean(token))} Come back then.`;
  return errorMessage(error);
}
