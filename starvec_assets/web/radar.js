// Skill radar as SVG, and the same numbers as a table, which screen readers can read. The distance from the centre is the
// share of people with about as many stars whom somebody is ahead of, so the median person is the ring at 50.

import { h, s } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 520;
const RADIUS = 188;
const MAX_LINE = 11; // characters of a label on one line
const CHARACTER = 12; // the widest that one is on average, in the size of a phone's labels
const MEDIAN = 50;
const RINGS = [25, MEDIAN, 75, 100];

/** Series that differ in colour, line and marker: style.css has as many. */
export const MAX_SERIES = 6;

/**
 * @typedef {object} Series
 * @property {string} label
 * @property {number[]} percentiles for each category the share in per cent of people whom it is ahead of
 * @property {[low: number, high: number][]} [ranges] for each category the range that the percentile lies in
 */

/** A percentile as printed, never rounded up: 98 of 98.7. @param {number} percentile */
export const formatRank = (percentile) => String(Math.floor(percentile));

/**
 * The radar.
 * @param {string[]} titles of the categories, one for each axis
 * @param {Series[]} series at most MAX_SERIES, each with its own colour, line and marker
 */
export function radar(titles, series) {
  const point = (/** @type {number} */ axis, /** @type {number} */ percentile) => {
    const angle = (axis / titles.length) * 2 * Math.PI - Math.PI / 2;
    const r = (RADIUS * percentile) / 100;
    return [WIDTH / 2 + r * Math.cos(angle), HEIGHT / 2 + r * Math.sin(angle)];
  };
  const outline = (/** @type {(axis: number) => number} */ percentile) =>
    titles.map((_, axis) => formatPoint(point(axis, percentile(axis)))).join(" ");
  const [only, ...others] = series;
  return s(
    "svg",
    {
      class: "radar",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      role: "img",
      "aria-label": `Skill radar. ${series.map((one) => describeSeries(titles, one)).join(" ")}`,
    },
    ...RINGS.map((r) => s("polygon", { class: r === MEDIAN ? "ring median" : "ring", points: outline(() => r) })),
    ...titles.map((_, axis) => {
      const [x, y] = point(axis, 100);
      return s("line", { class: "axis", x1: WIDTH / 2, y1: HEIGHT / 2, x2: x.toFixed(1), y2: y.toFixed(1) });
    }),
    ...titles.map((title, axis) => {
      const value = others.length ? "" : formatRank(only.percentiles[axis]);
      return axisLabel(title, value, axis, titles.length, point(axis, 110));
    }),
    ...series.map(({ percentiles, ranges }, number) =>
      s(
        "g",
        { class: `series series-${number}` },
        ranges && s("path", { class: "band", "fill-rule": "evenodd", d: bandPath(ranges, outline) }),
        s("polygon", { class: "outline", points: outline((axis) => percentiles[axis]) }),
        ...percentiles.map((percentile, axis) => marker(number, point(axis, percentile))),
      ),
    ),
    ...RINGS.map((r) => ringLabel(r, middle(point(0, r), point(1, r)))),
  );
}

/** @param {number[]} point */
const formatPoint = (point) => point.map((x) => x.toFixed(1)).join();

/** @param {number[]} a @param {number[]} b */
const middle = (a, b) => a.map((x, i) => (x + b[i]) / 2);

/**
 * The area between the low and the high ends of `ranges`.
 * @param {[number, number][]} ranges
 * @param {(percentile: (axis: number) => number) => string} outline
 */
const bandPath = (ranges, outline) =>
  [1, 0].map((end) => `M${outline((axis) => ranges[axis][end]).replaceAll(" ", "L")}Z`).join("");

/**
 * A point of a series: a shape of its own for each.
 * @param {number} series its number
 * @param {number[]} centre
 */
function marker(series, centre) {
  const [x, y] = centre;
  const shapes = [
    () => s("circle", { class: "marker", cx: x.toFixed(1), cy: y.toFixed(1), r: 4.5 }),
    () => polygon(4, 45, 6),
    () => polygon(3, 0, 6.5),
    () => polygon(4, 0, 6.5),
    () => polygon(3, 180, 6.5),
    () => polygon(6, 0, 5.5),
  ];
  const polygon = (/** @type {number} */ corners, /** @type {number} */ turn, /** @type {number} */ r) => {
    const points = Array.from({ length: corners }, (_, i) => {
      const angle = ((i / corners) * 360 + turn - 90) * (Math.PI / 180);
      return formatPoint([x + r * Math.cos(angle), y + r * Math.sin(angle)]);
    });
    return s("polygon", { class: "marker", points: points.join(" ") });
  };
  return shapes[series]();
}

/**
 * @param {number} ring
 * @param {number[]} place
 */
const ringLabel = (ring, [x, y]) =>
  s(
    "text",
    { class: "ring-label", "text-anchor": "middle", x: x.toFixed(1), y: (y + 4).toFixed(1) },
    ring === MEDIAN ? "median" : String(ring),
  );

/**
 * The three highest percentiles, in words.
 * @param {string[]} titles
 * @param {Series} series
 */
function describeSeries(titles, { label, percentiles }) {
  const strongest = titles.map((_, axis) => axis).sort((a, b) => percentiles[b] - percentiles[a]);
  return `${label}: ${strongest
    .slice(0, 3)
    .map((axis) => `${titles[axis]} ${formatRank(percentiles[axis])}`)
    .join(", ")}.`;
}

/**
 * Label of an axis, a long one with one word on each line, and below it the value if there is one.
 * @param {string} title
 * @param {string} value
 * @param {number} axis
 * @param {number} axes
 * @param {number[]} place
 */
function axisLabel(title, value, axis, axes, [x, y]) {
  const [side, up] = [Math.sin, Math.cos].map((f) => f((axis / axes) * 2 * Math.PI));
  const words = title.length > MAX_LINE ? title.split(" ").slice(0, 3) : [title];
  const lines = [...words, ...(value ? [value] : [])];
  const anchor = Math.abs(side) < 0.2 ? "middle" : side > 0 ? "start" : "end";
  const width = CHARACTER * Math.max(...lines.map(({ length }) => length));
  const overhang = Math.max(0, anchor === "middle" ? 0 : width - (side > 0 ? WIDTH - x : x));
  // A label that would leave the picture moves inward, and so above or below the corner that it names.
  const left = (x - Math.sign(side) * overhang).toFixed(1);
  const last = lines.length - 1;
  const rise = up > 0.9 ? last : up < -0.9 ? 0 : !overhang ? last / 2 : up > 0 ? last + (value ? 0.3 : 0.5) : -0.8;
  return s(
    "text",
    { class: "axis-label", "text-anchor": anchor, y: y.toFixed(1) },
    ...lines.map((line, i) =>
      s("tspan", { class: value && i === last ? "value" : null, x: left, dy: `${i ? 1.1 : 0.3 - 1.1 * rise}em` }, line),
    ),
  );
}

/**
 * Which line is whose, for radars of several series.
 * @param {Series[]} series
 */
export const legend = (series) =>
  h(
    "ul",
    { class: "legend" },
    ...series.map(({ label }, number) =>
      h(
        "li",
        {},
        s(
          "svg",
          { class: "key", viewBox: "0 0 40 16", "aria-hidden": "true" },
          s(
            "g",
            { class: `series series-${number}` },
            s("line", { class: "outline", x1: 0, y1: 8, x2: 40, y2: 8 }),
            marker(number, [20, 8]),
          ),
        ),
        h("bdi", {}, label),
      ),
    ),
  );

/**
 * The percentiles as a table, highest of the first series first; with two series also their difference.
 * @param {string[]} titles
 * @param {Series[]} series
 */
export function radarTable(titles, series) {
  const [first, second] = series;
  const isPair = series.length === 2;
  const order = titles.map((_, axis) => axis).sort((a, b) => first.percentiles[b] - first.percentiles[a]);
  return h(
    "table",
    { class: `axes of-${series.length}` },
    h(
      "caption",
      {},
      `How many in 100 people with about as many stars ${series.map(({ label }) => label).join(" and ")} ${series.length > 1 || first.label === "you" ? "are" : "is"} ahead of`,
    ),
    h(
      "thead",
      {},
      h(
        "tr",
        {},
        h("th", { scope: "col" }, "Field"),
        ...series.map((one, number) =>
          h(
            "th",
            { scope: "col", class: series.length > 1 ? `number key-${number}` : "number" },
            series.length > 1 ? one.label : "in 100",
          ),
        ),
        isPair && h("th", { scope: "col", class: "number" }, "apart"),
      ),
    ),
    h(
      "tbody",
      {},
      ...order.map((axis) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, titles[axis], ...series.map((one, number) => bar(one.percentiles[axis], number))),
          ...series.map((one) => h("td", { class: "number" }, formatRank(one.percentiles[axis]), rangeOf(one, axis))),
          isPair &&
            h(
              "td",
              { class: "number difference" },
              formatSigned(Math.floor(first.percentiles[axis]) - Math.floor(second.percentiles[axis])),
            ),
        ),
      ),
    ),
  );
}

/**
 * @param {Series} series
 * @param {number} axis
 */
const rangeOf = ({ ranges }, axis) =>
  ranges && h("span", { class: "interval" }, `${ranges[axis].map(formatRank).join(" to ")}`);

/**
 * @param {number} percentile
 * @param {number} series its number
 */
function bar(percentile, series) {
  const filled = h("span", { class: `fill fill-${series}` });
  filled.style.inlineSize = `${percentile.toFixed(1)}%`;
  return h("span", { class: "bar", "aria-hidden": "true" }, filled);
}

/** A difference with its sign: +3, −3, 0. @param {number} difference */
const formatSigned = (difference) => (difference > 0 ? `+${difference}` : difference < 0 ? `−${-difference}` : "0");
