// List of repositories with its filters: language, topic, stars, last activity and, where it applies, fame.

import { announce, breakable, errorMessage, formatCount, formatStars, h, pluralize, replace } from "./dom.js";
import { downloadProgress, downloadSizeNote, isOnDevice, wordsProgress } from "./download_progress.js";
import { REPOSITORY_PATTERN } from "./github_names.js";
import { setFilters } from "./list_filters.js";
import { similarHref } from "./state.js";
import { topicFilter } from "./topic_filter.js";

/** @import { Child } from "./dom.js" */
/** @import { Repository } from "./engine/catalogue.js" */
/** @import { Filter } from "./engine/filter.js" */
/** @import { App } from "./state.js" */
/**
 * @typedef {{indices: ArrayLike<number>, cosines: ArrayLike<number>, exact: boolean, rows?: number}} SearchResult
 *   `rows`: how many were searched, the most starred ones; without it, all
 */

const MAX_RESULTS = 50;
const INITIAL_RESULTS = 15;

/**
 * @template {SearchResult} R
 * @param {App} app
 * @param {object} options
 * @param {string} options.id
 * @param {AbortSignal} options.signal aborted when the view is left
 * @param {(filter: Filter, k: number) => Promise<R>} options.search
 * @param {ArrayLike<number>} [options.exclude] rows never shown
 * @param {() => Uint32Array | null} [options.only] rows beside which none is shown, null for all
 * @param {boolean} [options.fame] whether to show the fame slider
 * @param {string} [options.scoreLabel] name of the number before each repository, "" for none
 * @param {string} [options.label] name of the list
 * @param {(found: R) => Promise<Child[]> | Child[]} [options.explain] for each repository found, why it was
 * @param {(repository: Repository) => Node[]} [options.actions] buttons beside each repository
 * @param {(name: string) => string} [options.href] address that a repository's name leads to
 * @param {(onChange: () => void) => Node} [options.control] makes a further filter, which calls `onChange` when it was
 *   changed
 * @param {boolean} [options.usualFilters] whether language, topic, stars and last activity are among the filters
 * @param {boolean} [options.needsVectors] whether `search` needs the vectors, which are downloaded then
 * @param {boolean} [options.needsWords] whether `search` needs the index of words as well
 * @param {string | ((found: R) => string)} [options.emptyNote] shown when nothing is found
 * @param {(refresh: () => void) => void} [options.onCreate] given a function that searches again, unannounced
 */
export function repoList(
  app,
  {
    id,
    signal,
    search,
    exclude = [],
    only = () => null,
    fame = false,
    scoreLabel = "similarity",
    label = `Repositories by ${scoreLabel}`,
    explain,
    actions,
    href = (name) => similarHref([name]),
    control,
    usualFilters = true,
    needsVectors = true,
    needsWords = false,
    emptyNote = "No repository passes these filters: allow more languages or fewer stars.",
    onCreate,
  },
) {
  const list = h("ol", { class: "results", "aria-label": label });
  const note = h("p", { class: "hint", role: "status" });
  const scope = h("p", { class: "hint scope", hidden: true });
  const undescribed = h("p", { class: "hint", role: "status" });
  const unit = h("p", { class: "hint", hidden: true }, `Before each: its ${scoreLabel}, a cosine, at most 1.`);
  const showAll = h("button", { type: "button", hidden: true, class: "quiet" });
  const downloadPrompt = h("div", { class: "download-prompt" });
  let visible = history.state?.expandedList === id ? MAX_RESULTS : INITIAL_RESULTS; // restored when coming back
  let latestSearch = 0;
  let announceNext = false; // the visitor changed a filter, so the next result is announced, whichever search it is of
  /** @type {R | null} */
  let result = null;
  /** Those of `result`. @type {Repository[]} */
  let repositories = [];
  /** @type {Child[]} */
  let explanations = [];

  const render = () => {
    if (!result) return;
    const { indices, cosines, rows = app.model.n } = result;
    scope.hidden = rows === app.model.n;
    scope.textContent = `From the ${formatCount(rows)} most starred so far, of ${formatCount(app.model.n)}: the list is refined while more of the vectors come.`;
    const shown = repositories.slice(0, visible);
    replace(
      list,
      ...shown.map((one, i) => repoItem(one, cosines[i], scoreLabel, explanations[i], actions?.(one) ?? [], href)),
    );
    unit.hidden = !scoreLabel || !indices.length;
    showAll.hidden = indices.length <= visible;
    showAll.textContent = `Show all ${indices.length}`;
    note.textContent = indices.length ? "" : typeof emptyNote === "string" ? emptyNote : emptyNote(result);
  };
  // The browser asks to save data, and the visitor has not seen the size of the download yet.
  const promptDownload = () => {
    const consent = () => {
      app.downloadConsented = true;
      onFilterChange();
    };
    list.removeAttribute("aria-busy");
    replace(
      downloadPrompt,
      downloadSizeNote(app, needsWords),
      h("button", { type: "button", onclick: consent }, "Show the repositories"),
    );
  };
  const refresh = async () => {
    const searchNumber = ++latestSearch;
    list.setAttribute("aria-busy", "true");
    try {
      if (needsVectors && !app.downloadConsented && !(await isOnDevice(app, needsWords)))
        return searchNumber === latestSearch ? promptDownload() : undefined;
      replace(downloadPrompt); // consent may also have been given elsewhere on the page
      if (needsVectors) app.engine.download();
      const chosen = { ...(usualFilters ? app.filters : {}), fame: fame ? app.filters.fame : 0 };
      const newResult = await search({ ...chosen, exclude, only: only() }, MAX_RESULTS);
      const newExplanations = explain ? await explain(newResult) : [];
      const newRepositories = await app.engine.repositories(newResult.indices);
      if (searchNumber !== latestSearch || signal.aborted) return;
      [result, repositories, explanations] = [newResult, newRepositories, newExplanations];
      list.toggleAttribute("data-exact", newResult.exact);
      render();
      if (announceNext) announce(pluralize(newResult.indices.length, "repository", "repositories"));
      announceNext = false;
    } catch (error) {
      if (searchNumber !== latestSearch || signal.aborted) return;
      replace(
        note,
        errorMessage(error),
        " ",
        h("button", { type: "button", class: "quiet", onclick: refresh }, "Try again"),
      );
    }
    list.removeAttribute("aria-busy");
  };
  showAll.addEventListener("click", () => {
    const first = visible;
    visible = MAX_RESULTS;
    history.replaceState({ ...history.state, expandedList: id }, "");
    render();
    /** @type {HTMLElement | null} */ (list.children[first]?.querySelector("a"))?.focus();
  });
  const onFilterChange = () => {
    announceNext = true;
    refresh();
  };

  refresh();
  if (needsVectors) app.engine.addEventListener("refined", refresh, { signal });
  const describe = async () => {
    replace(undescribed);
    try {
      await app.engine.loadDescriptions();
      const shown = result;
      const described = await app.engine.repositories(shown?.indices ?? []);
      if (shown !== result || signal.aborted) return; // a newer search has them
      repositories = described;
      render();
    } catch (error) {
      const retry = h("button", { type: "button", class: "chip", onclick: describe }, "Try again");
      replace(undescribed, `Without descriptions: ${errorMessage(error)} `, retry);
    }
  };
  app.engine.ready.then(describe, () => {}); // what failed of the vectors is said above all views
  const filters = usualFilters ? filterControls(app, id, fame, onFilterChange) : h("div", { class: "filters" });
  if (control) filters.prepend(control(onFilterChange));
  onCreate?.(refresh);
  return h(
    "div",
    {},
    filters,
    downloadPrompt,
    needsVectors && downloadProgress(app, signal),
    needsWords && wordsProgress(app, signal),
    note,
    scope,
    undescribed,
    unit,
    list,
    showAll,
  );
}

/**
 * @param {App} app
 * @param {string} id
 * @param {boolean} fame whether to show the fame slider
 * @param {() => void} onFilterChange
 */
function filterControls(app, id, fame, onFilterChange) {
  const { filters } = app;
  const language = h("select", {
    id: `${id}-language`,
    onchange: () => {
      setFilters(app, { language: language.value });
      onFilterChange();
    },
  });
  const stars = h("select", {
    id: `${id}-stars`,
    onchange: () => {
      setFilters(app, { minStars: Number(stars.value) });
      onFilterChange();
    },
  });
  const activity = h("select", {
    id: `${id}-activity`,
    onchange: () => {
      setFilters(app, { months: Number(activity.value) });
      onFilterChange();
    },
  });
  const activityFilter = h(
    "div",
    { hidden: true, title: "its last star or other event in the data, before the end of the data" },
    h("label", { for: `${id}-activity` }, "Last active"),
    activity,
  );
  activity.append(h("option", { value: "0" }, "at any time"));
  language.append(h("option", { value: "" }, "any language"));
  stars.append(h("option", { value: "0" }, "any number"));
  app.engine.catalogueReady.then(
    ({ mostStars, monthsCovered }) => {
      const languages = app.model.languages.filter(Boolean); // most frequent first
      language.append(...languages.map((name) => h("option", { value: name }, name)));
      choose(language, filters.language, filters.language);
      const steps = [10, 30, 100, 300, 1000, 3000, 10000, 30000, 100000].filter((step) => step <= mostStars);
      stars.append(...steps.map((step) => h("option", { value: step }, `${formatCount(step)} or more`)));
      choose(stars, filters.minStars, `${formatCount(filters.minStars)} or more`);
      const months = [1, 3, 12].filter((step) => step <= monthsCovered); // longer ones exclude nothing
      activity.append(...months.map((step) => h("option", { value: step }, activityLabel(step))));
      choose(activity, filters.months, activityLabel(filters.months));
      activityFilter.hidden = !months.length;
    },
    () => {},
  );
  const slider = h("input", {
    id: `${id}-fame`,
    type: "range",
    min: -4,
    max: 4,
    step: 1,
    value: filters.fame,
    "aria-valuetext": fameLabel(filters.fame),
    oninput: () => slider.setAttribute("aria-valuetext", fameLabel(Number(slider.value))),
    onchange: () => {
      setFilters(app, { fame: Number(slider.value) });
      onFilterChange();
    },
  });
  return h(
    "div",
    { class: "filters" },
    fame &&
      h(
        "div",
        { class: "fame" },
        h("label", { for: `${id}-fame` }, "Fame"),
        h("span", { "aria-hidden": "true" }, "niche"),
        slider,
        h("span", { "aria-hidden": "true" }, "famous"),
      ),
    h("div", {}, h("label", { for: `${id}-language` }, "Language"), language),
    topicFilter(app, id, filters.topic, (topic) => {
      setFilters(app, { topic });
      onFilterChange();
    }),
    h("div", {}, h("label", { for: `${id}-stars` }, "Stars"), stars),
    activityFilter,
  );
}

/**
 * Choose a value, which becomes an option if it is none: an address may hold any.
 * @param {HTMLSelectElement} select
 * @param {string | number} value
 * @param {string} label
 */
function choose(select, value, label) {
  if (![...select.options].some((option) => option.value === String(value)))
    select.append(h("option", { value }, label));
  select.value = String(value);
}

/** @param {number} months */
const activityLabel = (months) => (months === 1 ? "past month" : months === 12 ? "past year" : `past ${months} months`);

/** Value of the fame slider in words. @param {number} fame */
const fameLabel = (fame) =>
  fame < 0 ? `niche, ${-fame} of 4` : fame > 0 ? `famous, ${fame} of 4` : "neither niche nor famous";

/**
 * @param {Repository} repository
 * @param {number} cosine
 * @param {string} scoreLabel
 * @param {Child} explanation why it was found
 * @param {Node[]} actions
 * @param {(name: string) => string} href
 */
function repoItem(repository, cosine, scoreLabel, explanation, actions, href) {
  const { name, description, stars, language, placed, superseded } = repository;
  const slash = name.indexOf("/") + 1;
  return h(
    "li",
    { class: scoreLabel ? "result" : "result unscored" },
    scoreLabel !== "" &&
      h(
        "span",
        { class: "cosine", title: scoreLabel },
        h("span", { class: "visually-hidden" }, `${scoreLabel} `),
        cosine.toFixed(3),
      ),
    h(
      "div",
      {},
      h(
        "h3",
        {},
        h("a", { href: href(name) }, h("span", { class: "owner" }, name.slice(0, slash)), h("wbr"), name.slice(slash)),
      ),
      description
        ? h("p", { class: "description", dir: "auto" }, description)
        : description === null && h("p", { class: "description-placeholder" }),
      explanation,
    ),
    h(
      "div",
      { class: "facts" },
      h("p", {}, h("span", {}, formatStars(stars)), language && h("span", {}, language), placed && placedMark()),
      h("p", {}, ...actions, !superseded && githubLink(name)),
    ),
  );
}

/** Link to a repository at GitHub; null where its name is none of GitHub's. @param {string} name */
export function githubLink(name) {
  if (!REPOSITORY_PATTERN.test(name)) return null;
  const href = `https://github.com/${name}`;
  return h("a", { href, rel: "noopener noreferrer", "aria-label": `${name} on GitHub` }, "on GitHub");
}

/** Mark of a repository that too few people starred. */
export const placedMark = () =>
  h(
    "span",
    { class: "placed", title: "Too few people starred it, so its place is by its description." },
    "placed by its description",
  );

/**
 * The stars that pull a recommended repository in.
 * @param {Repository[]} contributors
 */
export function becauseOf(contributors) {
  const links = repositoryLinks(contributors.map(({ name }) => name));
  return links.length > 0 && h("p", { class: "why" }, "because of ", ...links);
}

/** Links to repositories, with commas between them. @param {string[]} names */
export const repositoryLinks = (names) =>
  names.flatMap((name, i) => [i ? ", " : "", h("a", { href: similarHref([name]) }, ...breakable(name))]);
