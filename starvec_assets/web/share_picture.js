// Pictures to share: a card with the radar and its sentence, and a badge for a README. Both are SVG made of the page's own
// elements; the card takes its colours and fonts from style.css, so it looks as the page does, light or dark.

import { s } from "./dom.js";
import { radar } from "./radar.js";

/** @import { Series } from "./radar.js" */

const [WIDTH, HEIGHT] = [1200, 630]; // what sites that show a link expect of its picture
const PNG_SCALE = 2;
const TEXT_WIDTH = 480;
const [TEXT_LEFT, TITLE_TOP] = [64, 140];

/** Properties that a file needs of style.css. */
const SHAPE_STYLES = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin"];
const TEXT_STYLES = ["fill", "font-family", "font-size", "font-weight", "stroke", "stroke-width", "paint-order"];

/**
 * A card of 1200 × 630. It must be in the document when it is saved.
 * @param {object} content
 * @param {string} content.title
 * @param {string[]} content.sentences
 * @param {string} content.footer
 * @param {string[]} content.fields titles of the radar's axes
 * @param {Series[]} content.series
 */
export function sharePicture({ title, sentences, footer, fields, series }) {
  const withoutRanges = series.map(({ label, percentiles }) => ({ label, percentiles }));
  const chart = radar(fields, withoutRanges);
  for (const [name, value] of Object.entries({
    class: "chart",
    overflow: "visible",
    x: 575,
    y: 30,
    width: 600,
    height: 560,
  }))
    chart.setAttribute(name, String(value));
  let top = TITLE_TOP;
  const paragraph = (/** @type {string} */ text, /** @type {string} */ kind, /** @type {number} */ size) => {
    const lines = wrap(text, `${kind === "title" ? 600 : 400} ${size}px ${fontOf(kind)}`, TEXT_WIDTH);
    const element = s(
      "text",
      { class: kind, "font-size": size },
      ...lines.map((line, i) => s("tspan", { x: TEXT_LEFT, y: (top + i * size * 1.3).toFixed(0) }, line)),
    );
    top += lines.length * size * 1.3 + 12;
    return element;
  };
  return s(
    "svg",
    {
      class: "picture",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      role: "img",
      "aria-label": [title, ...sentences, footer].join(" "),
    },
    s("rect", { class: "paper", width: WIDTH, height: HEIGHT }),
    chart,
    paragraph(title, "title", title.length > 20 ? 38 : 54),
    ...series.map(({ label }, number) => {
      if (series.length < 2) return null;
      top += number < series.length - 1 ? 34 : 48;
      return keyOf(label, number, top - (number < series.length - 1 ? 42 : 56));
    }),
    ...sentences.map((sentence) => paragraph(sentence, "sentence", series.length > 1 ? 25 : 30)),
    s("text", { class: "footer", "font-size": 18, x: TEXT_LEFT, y: HEIGHT - 36 }, footer),
  );
}

/**
 * Which line of the picture is whose.
 * @param {string} label
 * @param {number} number of the series
 * @param {number} y
 */
function keyOf(label, number, y) {
  return s(
    "g",
    { class: `key series series-${number}` },
    s("line", { class: "outline", x1: TEXT_LEFT, y1: y, x2: TEXT_LEFT + 56, y2: y }),
    s("text", { class: "label", "font-size": 22, x: TEXT_LEFT + 72, y: y + 7 }, label),
  );
}

/** Fonts of the page: of its headings for titles. @param {string} kind */
const fontOf = (kind) =>
  getComputedStyle(kind === "title" ? (document.querySelector("h1") ?? document.body) : document.body).fontFamily;

/**
 * `text` in lines of at most `width` pixels.
 * @param {string} text
 * @param {string} font as in CSS
 * @param {number} width
 */
function wrap(text, font, width) {
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  context.font = font;
  /** @type {string[]} */
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/**
 * A badge of one line, in colours that can be read on any page.
 * @param {string} label
 * @param {string} value
 */
export function badge(label, value) {
  const font = "13px Verdana, Geneva, 'DejaVu Sans', sans-serif";
  const context = /** @type {CanvasRenderingContext2D} */ (document.createElement("canvas").getContext("2d"));
  context.font = font;
  const [left, right] = [label, value].map((text) => Math.ceil(context.measureText(text).width));
  const width = left + right + 40;
  const part = (/** @type {string} */ text, /** @type {number} */ x, /** @type {number} */ length) =>
    s("text", { x, y: 18.5, fill: "#ffffff", style: null, textLength: length, "font-size": 13 }, text);
  return s(
    "svg",
    { class: "badge", viewBox: `0 0 ${width} 28`, width, height: 28, role: "img", "aria-label": `${label}: ${value}` },
    s("rect", { width: left + 20, height: 28, fill: "#1c2030" }),
    s("rect", { x: left + 20, width: right + 20, height: 28, fill: "#2f49b8" }),
    s(
      "g",
      { "font-family": "Verdana, Geneva, 'DejaVu Sans', sans-serif" },
      part(label, 10, left),
      part(value, left + 30, right),
    ),
  );
}

/**
 * `picture` as the text of an SVG file: with what style.css gives it written into its elements.
 * @param {SVGSVGElement} picture in the document
 */
export function svgText(picture) {
  const copy = /** @type {SVGSVGElement} */ (picture.cloneNode(true));
  const copies = [copy, ...copy.querySelectorAll("*")];
  [picture, ...picture.querySelectorAll("*")].forEach((element, i) => {
    const style = getComputedStyle(element);
    const names = /^t/.test(element.localName) ? TEXT_STYLES : /^(svg|g)$/.test(element.localName) ? [] : SHAPE_STYLES;
    for (const name of names) copies[i].setAttribute(name, style.getPropertyValue(name));
    copies[i].removeAttribute("class");
  });
  return new XMLSerializer().serializeToString(copy);
}

/**
 * The SVG as a PNG of twice its size.
 * @param {string} text of an SVG file
 * @returns {Promise<Blob>}
 * @throws {Error} if the browser cannot draw it
 */
export async function pngOf(text) {
  const url = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [PNG_SCALE * image.width, PNG_SCALE * image.height];
    canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
    if (!(blob instanceof Blob)) throw new Error("This browser makes no PNG. Take the SVG.");
    return blob;
  } finally {
    URL.revokeObjectURL(url);
  }
}
