// The filter of a list by a topic: a field with suggestions. The topics are loaded once it is entered, or the address has
// one.

import { errorMessage, formatMegabytes, h, pluralize, replace } from "./dom.js";
import { hasTopics, TOPICS_FILE } from "./engine/model.js";
import { normalizeTopic } from "./github_names.js";
import { downloadSize } from "./state.js";

/** @import { App } from "./state.js" */

const MAX_SUGGESTIONS = 12;

/**
 * The field with its label; hidden where the data have no topics, unless the address asks for one.
 * @param {App} app
 * @param {string} id of the list
 * @param {string} topic that is chosen, "" for any
 * @param {(topic: string) => void} onChoose called with another topic
 */
export function topicFilter(app, id, topic, onChoose) {
  const { engine, model } = app;
  let chosen = topic;
  let isLoaded = false;
  let latest = 0;
  const suggestions = h("datalist", { id: `${id}-topics` });
  const note = h("div", { id: `${id}-topic-note`, class: "hint" });
  const input = h("input", {
    id: `${id}-topic`,
    type: "search",
    list: suggestions.id,
    value: topic,
    placeholder: "any topic",
    autocomplete: "off",
    autocapitalize: "none",
    spellcheck: "false",
    maxlength: 100,
    "aria-describedby": note.id,
  });

  const choose = (/** @type {string} */ text) => {
    input.value = normalizeTopic(text);
    if (input.value === chosen) return;
    chosen = input.value;
    describe();
    onChoose(chosen);
  };
  /** A button beside what is wrong; the focus goes to the field, as the button goes. */
  const button = (/** @type {string} */ text, /** @type {() => void} */ act) => {
    const onclick = () => {
      input.focus();
      act();
    };
    return h("button", { type: "button", class: "quiet", onclick }, text);
  };
  /** Say how many repositories have the topic that is chosen, or that none has. */
  const describe = async () => {
    replace(note);
    const described = chosen;
    if (!described) return;
    const count = await engine.countTopic(described).catch(() => null); // the list says what is wrong
    if (described !== chosen || count === null) return;
    isLoaded = true;
    if (count) return replace(note, pluralize(count, "repository", "repositories"));
    const unknown = [h("strong", {}, described), " is no topic of these data. "];
    const all = button("List every topic", () => choose(""));
    replace(note, h("p", { class: "unknown-name", role: "status" }, ...unknown, all));
  };
  const suggest = async () => {
    const number = ++latest;
    const wasLoaded = isLoaded;
    const size = formatMegabytes(downloadSize(app, [TOPICS_FILE]));
    if (!wasLoaded) replace(note, `Loading topics, ${size} …`);
    try {
      const found = await engine.suggestTopics(normalizeTopic(input.value), MAX_SUGGESTIONS);
      isLoaded = true;
      if (number === latest) replace(suggestions, ...found.map(({ topic }) => h("option", { value: topic })));
      if (!wasLoaded) describe();
    } catch (error) {
      const message = [errorMessage(error), " ", button("Try again", suggest)];
      replace(note, h("p", { class: "error", role: "alert" }, ...message));
    }
  };
  input.addEventListener("focus", () => !isLoaded && suggest());
  input.addEventListener("input", (event) => {
    const { inputType = "", isComposing = false } = event instanceof InputEvent ? event : {};
    if (!isComposing) hyphenate(input);
    if (inputType === "insertReplacementText" || !input.value) choose(input.value);
    else suggest();
  });
  input.addEventListener("change", () => choose(input.value));
  describe();
  const isHidden = !hasTopics(model) && !topic;
  return h("div", { hidden: isHidden }, h("label", { for: input.id }, "Topic"), input, suggestions, note);
}

/**
 * Write hyphens for blanks between words, as topics have: a browser shows only suggestions that contain what was typed.
 * @param {HTMLInputElement} input
 */
function hyphenate(input) {
  const { value, selectionStart } = input;
  const written = value.trimStart().replace(/[\s_](?=\S)/g, "-");
  if (written === value) return;
  input.value = written;
  input.setSelectionRange(selectionStart, selectionStart);
}
