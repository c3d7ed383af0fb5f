// Curves over months as SVG. A gap stays open and is marked: nothing is drawn across it, and it is no zero.

import { formatMonth, h, s } from "./dom.js";

/** @import { Series } from "./trends_data.js" */
/** @typedef {{width: number, height: number}} Size in units of the drawing */

const SPARKLINE = { width: 120, height: 32 };
const CHART = { width: 640, height: 150 };
const MARGIN = 4;
const FEW_MONTHS = 6; // up to which each month has a point

/**
 * A small curve; nothing where fewer than two months are known, which show no change.
 * @param {string[]} months YYYY-MM
 * @param {Series} series
 * @param {(value: number) => string} format
 */
export const sparkline = (months, series, format) =>
  series.filter((value) => value !== null).length > 1 &&
  curve(series, SPARKLINE, { class: "sparkline", "aria-label": describeSeries(months, series, format) });

/**
 * A curve with its first and last month and its highest value, and the same numbers as a table.
 * @param {string[]} months YYYY-MM
 * @param {Series} series
 * @param {(value: number) => string} format
 * @param {{title: import("./dom.js").Child, unit: string}} text
 */
export function trendChart(months, series, format, { title, unit }) {
  const highest = Math.max(0, ...series.map((value) => value ?? 0));
  return h(
    "figure",
    { class: "trend-chart" },
    h("figcaption", {}, title),
    h("p", { class: "trend-axis", "aria-hidden": "true" }, h("span", {}, `${format(highest)} at most`)),
    curve(series, CHART, { class: "trend-curve", "aria-label": describeSeries(months, series, format) }),
    h(
      "p",
      { class: "trend-axis", "aria-hidden": "true" },
      h("span", {}, formatMonth(months[0])),
      h("span", {}, formatMonth(months[months.length - 1])),
    ),
    h(
      "details",
      {},
      h("summary", {}, "The numbers"),
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h("tr", {}, h("th", { scope: "col" }, "Month"), h("th", { scope: "col", class: "number" }, unit)),
        ),
        h(
          "tbody",
          {},
          ...months.map((month, i) => {
            const value = series[i];
            const cell = value === null ? "gap" : format(value);
            return h("tr", {}, h("th", { scope: "row" }, formatMonth(month)), h("td", { class: "number" }, cell));
          }),
        ),
      ),
    ),
  );
}

/**
 * First, last and highest value and the gaps, in words.
 * @param {string[]} months YYYY-MM
 * @param {Series} series
 * @param {(value: number) => string} format
 */
export function describeSeries(months, series, format) {
  const known = [...series.keys()].filter((i) => series[i] !== null);
  if (!known.length) return "By month: nothing but gaps.";
  const value = (/** @type {number} */ i) => /** @type {number} */ (series[i]);
  const at = (/** @type {number} */ i) => `${format(value(i))} in ${formatMonth(months[i])}`;
  const highest = known.reduce((best, i) => (value(i) > value(best) ? i : best));
  const [first, last] = [known[0], known[known.length - 1]];
  const points = [...new Set([first, highest, last])].map(at);
  const gaps = series.length - known.length;
  return `By month: ${points.join(", ")}${gaps ? `; ${gaps} of ${series.length} months are gaps` : ""}.`;
}

/**
 * @param {Series} series
 * @param {Size} size
 * @param {import("./dom.js").Properties} properties
 */
function curve(series, { width, height }, properties) {
  const highest = Math.max(...series.map((value) => value ?? 0)) || 1;
  const step = (width - 2 * MARGIN) / Math.max(1, series.length - 1);
  const x = (/** @type {number} */ i) => MARGIN + i * step;
  const y = (/** @type {number} */ value) => height - MARGIN - (value / highest) * (height - 2 * MARGIN);
  const [gaps, runs] = [runsOf(series, true), runsOf(series, false)];
  const point = (/** @type {number} */ i) => `${x(i).toFixed(1)} ${y(series[i] ?? 0).toFixed(1)}`;
  const dot = (/** @type {number} */ i, /** @type {string} */ name) => {
    const [cx, cy] = point(i).split(" ");
    return s("circle", { class: name, cx, cy, r: name === "newest" ? 2.5 : 1.75 });
  };
  const known = runs.flat();
  const dotted = known.length <= FEW_MONTHS ? known : runs.filter((run) => run.length === 1).flat();
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, role: "img", ...properties },
    ...gaps.map((run) => {
      const left = Math.max(0, x(run[0]) - step / 2);
      const right = Math.min(width, x(run[run.length - 1]) + step / 2);
      return s("rect", { class: "gap", x: left.toFixed(1), y: 0, width: (right - left).toFixed(1), height });
    }),
    s("line", { class: "zero", x1: 0, x2: width, y1: height - MARGIN, y2: height - MARGIN }),
    ...runs
      .filter((run) => run.length > 1)
      .map((run) => s("path", { class: "line", d: `M${run.map(point).join("L")}` })),
    ...dotted.map((i) => dot(i, "point")),
    known.length > 0 && dot(known[known.length - 1], "newest"),
  );
}

/**
 * Runs of months that are gaps, or of months that are none.
 * @param {Series} series
 * @param {boolean} gaps
 * @returns {number[][]}
 */
function runsOf(series, gaps) {
  /** @type {number[][]} */
  const runs = [];
  for (const [i, value] of series.entries()) {
    if ((value === null) !== gaps) continue;
    if (i && (series[i - 1] === null) === gaps) runs[runs.length - 1].push(i);
    else runs.push([i]);
  }
  return runs;
}
