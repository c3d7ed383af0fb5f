// Makes a card of the current user: a link that holds prototypes, for matching. What it reveals is shown before.

import { announce, errorMessage, h, pluralize, replace } from "./dom.js";
import { unitVector } from "./engine/vectors.js";
import { repositoryLinks } from "./repo_list.js";
import { vocabularyOf } from "./scoring.js";
import { encodeCard } from "./share_link.js";
import { copy, copyField } from "./share_panel.js";

/** @import { Filter } from "./engine/filter.js" */
/** @import { Prototypes } from "./engine/prototypes.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

const NAMES = 3; // repositories that a direction is described by

/**
 * Prototypes of the current user, made of all stars once the vectors are exact.
 * @param {App} app
 * @param {Person} person whose stars are known
 * @returns {Promise<Prototypes & {sizes: Uint32Array}>} `sizes`: stars of each
 */
export async function ownPrototypes(app, person) {
  app.engine.download();
  await app.engine.exact;
  return app.engine.prototypes(vocabularyOf(app, person.starred));
}

/**
 * Names of the repositories nearest to a direction.
 * @param {App} app
 * @param {Float32Array} direction unit vector
 * @param {{k?: number, filter?: Filter}} [options]
 */
export async function namesNear({ engine }, direction, { k = NAMES, ...filter } = {}) {
  const { indices } = await engine.search(direction, { k, ...filter });
  return (await engine.repositories(indices)).map(({ name }) => name);
}

/**
 * Button that shows what a card of the current user reveals, and then makes and copies it.
 * @param {App} app
 * @param {AbortSignal} signal
 * @param {Person} person whose stars are known
 */
export function cardMaker(app, signal, person) {
  const container = h("div", { class: "card-maker" });
  const button = h("button", { type: "button", class: "quiet", onclick: () => preview() }, "Make a card for matching");
  const preview = async () => {
    button.disabled = true;
    replace(container, button, h("p", { class: "hint", role: "status" }, "Looking at where your stars point …"));
    try {
      const prototypes = await ownPrototypes(app, person);
      const directions = await describeDirections(app, person, prototypes);
      if (signal.aborted) return;
      replace(container, ...offer(app, person, prototypes, directions));
      container.querySelector("h2")?.focus();
      announce("What your card would reveal is shown");
    } catch (error) {
      if (signal.aborted) return;
      button.disabled = false;
      replace(container, button, h("p", { class: "error", role: "alert" }, errorMessage(error)));
    }
  };
  replace(container, button);
  return container;
}

/**
 * What a card holds, in words, and the button that copies it.
 * @param {App} app
 * @param {Person} person
 * @param {Prototypes} prototypes
 * @param {Node[]} directions
 */
function offer(app, person, prototypes, directions) {
  const output = h("div", { class: "share-output" });
  const withLogin = h("input", { type: "checkbox", id: "card-login", checked: true, onchange: () => replace(output) });
  const makeCard = () => {
    const card = encodeCard(person, prototypes, withLogin.checked ? person.login : "", app.model.id);
    person.card = card;
    const address = new URL(`#/compare/${card}`, location.href).href;
    replace(output);
    const field = copyField(output, "card-link", "Your card", address);
    output.append(
      h(
        "p",
        { class: "hint" },
        "Send it to whom you like. It is in the link itself, behind the #: no server ever sees it.",
      ),
    );
    copy(address, field, "Card copied");
  };
  return [
    h("h2", { tabindex: -1 }, "What your card reveals"),
    h(
      "ul",
      { class: "reveals" },
      h("li", {}, h("label", { for: "card-login" }, withLogin, ` that you are ${person.login} (or leave it out)`)),
      h("li", {}, `that you gave ${pluralize(person.starsUsed, "star")} to repositories known here`),
      h("li", {}, "where they point together, as a link to your profile does"),
      h("li", {}, `${pluralize(directions.length, "direction")} in which they lie:`, h("ol", {}, ...directions)),
    ),
    h(
      "p",
      { class: "hint" },
      "Whoever has the card can compare these directions with any repository. The fewer stars a direction is made of, the better can be told which ones.",
    ),
    h("div", { class: "share" }, h("button", { type: "button", onclick: makeCard }, "Copy the card"), output),
  ];
}

/**
 * Each direction by the repositories nearest to it.
 * @param {App} app
 * @param {Person} person
 * @param {Prototypes & {sizes: Uint32Array}} prototypes
 */
async function describeDirections(app, { starsUsed }, { vectors, weights, sizes }) {
  const d = app.model.d;
  const used = [...weights.keys()].filter((i) => weights[i] > 0).sort((a, b) => sizes[b] - sizes[a]);
  return Promise.all(
    used.map(async (i) => {
      const isOne = sizes[i] === 1;
      const names = await namesNear(app, unitVector(vectors.subarray(i * d, (i + 1) * d)), { k: isOne ? 1 : NAMES });
      const links = repositoryLinks(names);
      const share = `${Math.round((100 * sizes[i]) / starsUsed)}\u00a0% of your stars`;
      return isOne
        ? h("li", {}, ...links, ": one star alone, so it can be told that you starred it")
        : h("li", {}, "near ", ...links, ` (${share})`);
    }),
  );
}
