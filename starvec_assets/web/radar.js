// Skill radar as SVG, and the same numbers as a table, which screen readers can read.

import { h, s } from "./dom.js";

const WIDTH = 560;
const HEIGHT = 410;
const RADIUS = 150; // leaves room for the axis labels on a phone
const RINGS = [0.25, 0.5, 0.75, 1];

/** @typedef {{label: string, scores: number[]}} Series scores from 0 to 1, one for each category */

/** A score as printed: 0 to 100. @param {number} score */
export const formatScore = (score) => (score * 100).toFixed(0);

/**
 * The radar.
 * @param {string[]} titles of the categories, one for each axis
 * @param {Series[]} series at most two; the second is drawn in another colour
 */
export function radar(titles, series) {
  const point = (/** @type {number} */ axis, /** @type {number} */ r) => {
    const angle = (axis / titles.length) * 2 * Math.PI - Math.PI / 2;
    return [WIDTH / 2 + r * RADIUS * Math.cos(angle), HEIGHT / 2 + r * RADIUS * Math.sin(angle)];
  };
  const outline = (/** @type {(axis: number) => number} */ r) =>
    titles
      .map((_, axis) =>
        point(axis, r(axis))
          .map((x) => x.toFixed(1))
          .join(),
      )
      .join(" ");
  return s(
    "svg",
    {
      class: "radar",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `Skill radar. ${series.map((one) => describeSeries(titles, one)).join(" ")}`,
    },
    ...RINGS.map((r) => s("polygon", { class: "ring", points: outline(() => r) })),
    ...titles.map((_, axis) => {
      const [x, y] = point(axis, 1);
      return s("line", { class: "axis", x1: WIDTH / 2, y1: HEIGHT / 2, x2: x.toFixed(1), y2: y.toFixed(1) });
    }),
    ...titles.map((title, axis) => {
      const [x, y] = point(axis, 1.13);
      return axisLabel(title, axis, titles.length, x, y);
    }),
    ...series.map((one, number) =>
      s(
        "g",
        { class: `series series-${number}` },
        s("polygon", { points: outline((axis) => one.scores[axis]) }),
        ...one.scores.map((score, axis) => {
          const [cx, cy] = point(axis, score);
          return s("circle", { cx: cx.toFixed(1), cy: cy.toFixed(1), r: 4 });
        }),
      ),
    ),
  );
}

/**
 * The three highest scores, in words.
 * @param {string[]} titles
 * @param {Series} series
 */
function describeSeries(titles, { label, scores }) {
  const strongest = titles.map((_, axis) => axis).sort((a, b) => scores[b] - scores[a]);
  return `${label}: ${strongest
    .slice(0, 3)
    .map((axis) => `${titles[axis]} ${formatScore(scores[axis])}`)
    .join(", ")}.`;
}

/**
 * Label of an axis, one word on each line.
 * @param {string} title
 * @param {number} axis
 * @param {number} axes
 * @param {number} x
 * @param {number} y
 */
function axisLabel(title, axis, axes, x, y) {
  const side = Math.sin((axis / axes) * 2 * Math.PI);
  const words = title.split(" ").slice(0, 3);
  const anchor = Math.abs(side) < 0.2 ? "middle" : side > 0 ? "start" : "end";
  const rise =
    Math.cos((axis / axes) * 2 * Math.PI) > 0.9
      ? words.length - 1
      : Math.cos((axis / axes) * 2 * Math.PI) < -0.9
        ? 0
        : (words.length - 1) / 2;
  return s(
    "text",
    { "text-anchor": anchor, y: (y + 5 - rise * 17).toFixed(1) },
    ...words.map((word, i) => s("tspan", { x: x.toFixed(1), dy: i ? "1.1em" : 0 }, word)),
  );
}

/**
 * The scores as a table, highest first; with two series also their difference.
 * @param {string[]} titles
 * @param {Series[]} series
 */
export function radarTable(titles, series) {
  const [first, second] = series;
  const order = titles.map((_, axis) => axis).sort((a, b) => first.scores[b] - first.scores[a]);
  return h(
    "table",
    { class: `axes${second ? " two" : ""}` },
    h(
      "caption",
      {},
      second
        ? `Skills of ${first.label} and ${second.label}, from 0 to 100`
        : `Skills of ${first.label}, from 0 to 100`,
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Field"),
        ...series.map((one, number) =>
          h("th", { scope: "col", class: `number key-${number}` }, second ? one.label : "Score"),
        ),
        second && h("th", { scope: "col", class: "number" }, "apart"),
      ),
    ),
    h(
      "tbody",
      {},
      ...order.map((axis) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, titles[axis], ...series.map((one, number) => bar(one.scores[axis], number))),
          ...series.map((one) => h("td", { class: "number" }, formatScore(one.scores[axis]))),
          second &&
            h(
              "td",
              { class: "number difference" },
              formatSigned(Number(formatScore(first.scores[axis])) - Number(formatScore(second.scores[axis]))),
            ),
        ),
      ),
    ),
  );
}

/**
 * @param {number} score
 * @param {number} series its number, 0 or 1
 */
function bar(score, series) {
  const filled = h("span", { class: `fill fill-${series}` });
  filled.style.inlineSize = `${(score * 100).toFixed(1)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** A difference with its sign: +3, −3, 0. @param {number} difference */
const formatSigned = (difference) => (difference > 0 ? `+${difference}` : difference < 0 ? `−${-difference}` : "0");
