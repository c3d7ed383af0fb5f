// List of developers of the bundle, each with a percentage and a rank.

import { formatCount, formatOrdinal, h, pluralize, replace } from "./dom.js";
import { formatPercent } from "./scoring.js";
import { developerHref } from "./state.js";

/** @import { Developer } from "./engine/model.js" */
/** @typedef {{developer: Developer, match: number | null}} RankedDeveloper match in per cent, null where it is unknown */

const INITIAL_DEVELOPERS = 8;

/**
 * @param {() => RankedDeveloper[]} rank the developers, best first, always as many
 * @returns {{element: HTMLElement, render: () => void}} `render` ranks them anew
 */
export function developerList(rank) {
  const list = h("ol", { class: "people" });
  const showAll = h("button", { type: "button", class: "quiet" });
  let visible = INITIAL_DEVELOPERS;
  const render = () => {
    const ranked = rank();
    replace(list, ...ranked.slice(0, visible).map((one, i) => developerItem(one, i + 1, ranked.length)));
    showAll.hidden = ranked.length <= visible;
    showAll.textContent = `Show all ${formatCount(ranked.length)}`;
  };
  showAll.addEventListener("click", () => {
    visible = Infinity;
    render();
    /** @type {HTMLElement | null} */ (list.children[INITIAL_DEVELOPERS].querySelector("a"))?.focus();
  });
  render();
  return { element: h("div", {}, list, showAll), render };
}

/**
 * @param {RankedDeveloper} ranked
 * @param {number} rank
 * @param {number} total
 */
function developerItem({ developer, match }, rank, total) {
  const place = `${formatOrdinal(rank)} of ${formatCount(total)}; ${pluralize(developer.starsUsed, "star")}`;
  return h(
    "li",
    {},
    h("span", { class: "match" }, match === null ? "" : formatPercent(match)),
    h(
      "span",
      { class: "who" },
      h("a", { href: developerHref(developer.login) }, developer.name),
      h("span", { class: "aside" }, place),
    ),
  );
}
