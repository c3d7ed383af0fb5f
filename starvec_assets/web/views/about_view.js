// "How it was made": data, evaluation and limits. Every number comes from the artifacts of the run through model.json.

import { formatCount, formatMegabytes, h, pluralize } from "../dom.js";
import { dataSources, downloadSize, WORDS_INDEX } from "../state.js";

/** @import { Model, Score } from "../engine/model.js" */
/** @import { App } from "../state.js" */

/** Metrics as they are shown, with the titles of metric_titles.py; higher is better, except for the bias. */
const METRICS = [
  ["awesome_ndcg_10", "Awesome NDCG@10"],
  ["awesome_ndcg_100", "Awesome NDCG@100"],
  ["heldout_recall_50", "Held-out recall@50"],
  ["heldout_ndcg_50", "Held-out NDCG@50"],
  ["heldout_mrr_100", "Held-out MRR among 100"],
  ["popularity_bias", "Popularity bias"],
];

/** Metrics of what words find. */
const WORDS_METRICS = [
  ["search_ndcg_10", "Text search, NDCG@10"],
  ["search_recall_50", "Text search, recall@50"],
  ["search_mrr", "Text search, MRR"],
  ["placed_recall_50", "Placed by text, recall@50"],
  ["placed_ndcg_10", "Placed by text, awesome NDCG@10"],
  ["people_precision_10", "People by description, P@10"],
];

const SYSTEMS = new Map([
  ["trained", "These vectors"],
  ["random", "Random vectors"],
  ["popularity", "Most starred for everybody"],
  ["text", "Text of the repositories alone"],
  ["spectral", "Spectral vectors of the stars"],
  ["start", "Start of the training"],
  ["without_text", "Without the vectors of the text"],
  ["bm25", "The words of the text alone (BM25)"],
  ["previous", "The version before"],
]);

/** @param {App} app */
export function aboutView(app) {
  return [
    h(
      "section",
      { class: "prose" },
      h("h1", { tabindex: -1 }, "How it was made"),
      h(
        "p",
        { class: "lead" },
        "Repositories that the same people star are alike. A model read who starred what and gave each repository a place, so that what is starred together lies together; a person lies amid what they starred.",
      ),
      h("h2", {}, "The data"),
      table("What the vectors were made of", windowRows(app)),
    ),
    ...evaluationSection(app),
    h(
      "section",
      { class: "prose" },
      h("h2", {}, "Reading the numbers"),
      h(
        "dl",
        {},
        ...definition(
          "Similarity and match",
          "The cosine between two vectors: 1 is the same direction, 0 is nothing in common.",
        ),
        ...definition(
          "Your vector",
          "The mean of the vectors of what you starred; very famous repositories may count less, as they say less about you.",
        ),
        ...definition(
          "Skills",
          "For each field a linear probe learned to tell its best known repositories from all others. The number is the share in per cent of people with about as many stars whose mean of stars lies less in its direction: the median person has 50, and nobody has 100. It compares interests, it is no grade.",
        ),
        ...definition(
          "Ranges",
          "Your stars are a sample of what you like. The small numbers beside your own fields are the range that each lies in with 80\u00a0% certainty: with few stars it is wide. Who has fewer stars than anybody in the data has a rough profile.",
        ),
        ...definition(
          "★ in these data",
          "How many people of the data starred a repository, in the months above. GitHub counts all stars ever given; its number is shown as “★ on GitHub” where GitHub was asked.",
        ),
        ...definition(
          "Per cent",
          "The share of people with about as many stars as you who are less close to the developer; of a profile in a link, the share of pairs of people with about as many stars as you two who are less alike. Stars are counted in bins, as a mean of many stars is closer to everybody than a mean of few.",
        ),
        ...definition(
          "Search by words",
          "Every word has a vector, fitted so that the words of a repository point to where its stargazers put it. A text lies where its words point together. A repository is found by its nearness to that place, by how well its name, description and topics match the words (BM25), and a little by its fame. No language model runs, neither here nor elsewhere.",
        ),
        ...definition(
          "People near a text",
          "Developers are ordered by what of their stars points where the text does: eight directions stand for the stars of each, squared, so that one strong interest counts more than many faint ones. The percentage is another thing: of all people with about as many stars, the share whose profile, the mean of their stars, is less near. It is computed from groups of at least twenty people and right within about 3 points.",
        ),
        ...definition(
          "Placed by its description",
          "Too few people starred it for a place of its own: it lies where its name, description, topics and language point. Such a place is rougher.",
        ),
        ...definition(
          "Rank",
          "The place of a developer among all that came with this model. The best per cent of a hundred developers is high for almost everybody, so it is shown with its rank.",
        ),
      ),
      h("h2", {}, "What leaves this browser"),
      h(
        "p",
        {},
        "A login that you look up is sent to api.github.com, with a token if you paste one; so is the name of a repository, if you press “Ask GitHub about it”. Nothing else is sent anywhere: what you search for and paste is compared in this browser. There are no cookies and no measurements of visitors; profiles and tokens live in the memory of the tab.",
      ),
      h("h2", {}, "On this device"),
      h(
        "p",
        {},
        `Vectors (${formatMegabytes(downloadSize(app, ["vectors.hi", "vectors.lo"]))}), names and descriptions (${formatMegabytes(downloadSize(app, ["names.gz", "descriptions.gz", "columns.gz"]))}) and, once you search by words, their index (${formatMegabytes(downloadSize(app, [WORDS_INDEX]))}) are kept by this browser, so that the page opens again without network. Clearing the data of this site removes them.`,
      ),
      h("h2", {}, "Limits"),
      h(
        "ul",
        {},
        h("li", {}, "A star is a bookmark, not praise, and bots star too."),
        h(
          "li",
          {},
          `Only ${formatCount(app.model.n)} repositories are known: those with enough stars in the data${app.model.placed ? `, and ${formatCount(app.model.placed)} newer ones that are placed by their description` : ""}.`,
        ),
        h("li", {}, "The developers are people publicly known for open-source work; of nobody else is a profile kept."),
      ),
      h(
        "p",
        { class: "hint" },
        `Model ${app.model.id}: ${formatCount(app.model.n)} vectors of ${app.model.d} dimensions. `,
        ...searchKernel(app),
      ),
    ),
  ];
}

/**
 * What searches the vectors.
 * @param {App} app
 * @returns {(Node | string)[]}
 */
function searchKernel({ model }) {
  if (!model.wasm)
    return ["They are searched in JavaScript: this page was made without the compiler of its faster core."];
  const licence = h("a", { href: "engine/search.wasm.LICENSE.txt" }, "Apache License 2.0");
  return ["They are searched by USearch, compiled to WebAssembly, under the ", licence, "."];
}

/**
 * Rows of the table about the data: name and value.
 * @param {App} app
 * @returns {[string, string][]}
 */
function windowRows(app) {
  const { model } = app;
  const { first, last, months, users, stars } = model.dataWindow;
  const [expected, whole, faulty, missing] = ["expected", "ok", "faulty", "missing"].map((kind) =>
    Number(model.dataWindow[`hours_${kind}`] ?? 0),
  );
  /** @type {[string, string][]} */
  const rows = [];
  if (first && last) rows.push(["Months", `${first} to ${last}, ${pluralize(Number(months), "month")}`]);
  if (expected)
    rows.push([
      "Hours of the archive",
      `${formatCount(whole)} of ${formatCount(expected)} whole, ${formatCount(missing)} missing, ${formatCount(faulty - missing)} damaged`,
    ]);
  if (users) rows.push(["People", formatCount(Number(users))]);
  if (stars) rows.push(["Stars", formatCount(Number(stars))]);
  return [["Stars are from", dataSources(app)], ...rows, ["Repositories", formatCount(model.n)]];
}

/**
 * @param {string} caption
 * @param {[string, string][]} rows
 */
function table(caption, rows) {
  return h(
    "table",
    { class: "plain" },
    h("caption", { class: "visually-hidden" }, caption),
    h("tbody", {}, ...rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value)))),
  );
}

/**
 * @param {App} app
 * @returns {(Node | false)[]}
 */
function evaluationSection({ model }) {
  const vectors = evaluationTable(model, "Evaluation with baselines", METRICS);
  const words = evaluationTable(model, "Evaluation of search by words", WORDS_METRICS);
  if (!vectors && !words) return [];
  const passed = model.gates.filter((gate) => gate.passed).length;
  return [
    h(
      "section",
      {},
      h("h2", {}, "Is it any good?"),
      h(
        "p",
        { class: "measure" },
        "Judged on people and lists that training never saw: can it find the other half of a person’s stars, and what stands together in hand-made “awesome” lists? Beside it, simpler ways to do the same. Bold is best; below each number its 95\u00a0% interval.",
      ),
      vectors,
      words &&
        h(
          "p",
          { class: "measure" },
          "Search by words is asked for the headings of those lists, and should find what stands under them. Repositories placed by their text are asked for what the same people star, and people are found by the topics of lists.",
        ),
      words,
      model.gates.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, `${passed} of ${pluralize(model.gates.length, "check")} passed before it was published`),
          h(
            "ul",
            {},
            ...model.gates.map((gate) => h("li", {}, `${gate.passed ? "passed" : "failed"}: ${gate.detail}`)),
          ),
        ),
    ),
  ];
}

/**
 * The scores of every system in those of `titled` that were measured; null if none was.
 * @param {Model} model
 * @param {string} caption
 * @param {string[][]} titled metrics with their titles
 */
function evaluationTable({ evaluation }, caption, titled) {
  const systems = Object.entries(evaluation).filter(([, values]) => titled.some(([metric]) => values[metric]));
  const metrics = titled.filter(([metric]) => systems.some(([, values]) => values[metric]));
  if (!metrics.length) return null;
  const best = new Map(
    metrics.map(([metric]) => [metric, Math.max(...systems.map(([, values]) => values[metric]?.value ?? -Infinity))]),
  );
  const cell = (/** @type {Record<string, Score>} */ values, /** @type {string} */ metric) => {
    const score = values[metric];
    if (!score) return h("td", { class: "number" }, "–");
    const { value, low, high } = score;
    const isBest = metric !== "popularity_bias" && value === best.get(metric);
    return h(
      "td",
      { class: "number" },
      isBest ? h("strong", {}, value.toFixed(3)) : value.toFixed(3),
      typeof low === "number" && typeof high === "number"
        ? h("span", { class: "interval" }, `${low.toFixed(3)} to ${high.toFixed(3)}`)
        : null,
    );
  };
  return h(
    "div",
    { class: "scroll", tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      { class: "evaluation" },
      h("caption", { class: "visually-hidden" }, caption),
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "System"),
          ...metrics.map(([, title]) => h("th", { scope: "col", class: "number" }, title)),
        ),
      ),
      h(
        "tbody",
        {},
        ...systems.map(([system, values]) =>
          h(
            "tr",
            { class: system === "trained" ? "trained" : "" },
            h("th", { scope: "row" }, SYSTEMS.get(system) ?? system),
            ...metrics.map(([metric]) => cell(values, metric)),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {string} name
 * @param {string} meaning
 */
const definition = (name, meaning) => [h("dt", {}, name), h("dd", {}, meaning)];
