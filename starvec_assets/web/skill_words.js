// Sentences about the fields of a radar.

import { formatRank } from "./radar.js";

/** @import { Series } from "./radar.js" */

/** Percentile from which on a field counts as strong. */
export const STRONG = 75;
const MIN_GAP = 10; // smaller differences of percentiles are not mentioned
const MAX_FIELDS = 3;

/**
 * The strongest fields, such as "Data engineering: ahead of 98 in 100 people with about as many stars (16 to 34). Then
 * Security (91) and DevOps (80)."
 * @param {string[]} titles of the fields
 * @param {number[]} percentiles
 * @param {string} range stars of the people compared with, in words
 */
export function strongestFields(titles, percentiles, range) {
  const people = `people with about as many stars (${range})`;
  const [first, ...others] = titles
    .map((title, field) => ({ title, percentile: percentiles[field] }))
    .sort((a, b) => b.percentile - a.percentile)
    .filter(({ percentile }, rank) => rank === 0 || percentile >= STRONG)
    .slice(0, MAX_FIELDS);
  const strongest = `${first.title}: ahead of ${formatRank(first.percentile)} in 100 ${people}.`;
  if (first.percentile < STRONG) return `No field stands out. The strongest is ${strongest}`;
  const then = others.map(({ title, percentile }) => `${title} (${formatRank(percentile)})`).join(" and ");
  return `${strongest}${then && ` Then ${then}.`}`;
}

/**
 * The fields in which two people differ most.
 * @param {string[]} titles of the fields
 * @param {Series[]} series of the two
 */
export function differingFields(titles, [first, second]) {
  const gaps = titles
    .map((title, field) => ({ title, gap: first.percentiles[field] - second.percentiles[field] }))
    .sort((a, b) => b.gap - a.gap);
  const named = (/** @type {{title: string}[]} */ fields) =>
    fields
      .slice(0, MAX_FIELDS)
      .map(({ title }) => title)
      .join(", ");
  const more = named(gaps.filter(({ gap }) => gap >= MIN_GAP));
  const less = named(gaps.filter(({ gap }) => gap <= -MIN_GAP).reverse());
  if (!more && !less) return `No field sets the two apart by ${MIN_GAP} in 100 people or more.`;
  const leans = (/** @type {Series} */ { label }, /** @type {string} */ fields) =>
    fields && `${label === "you" ? "You lean" : `${label} leans`} more to ${fields}.`;
  return [leans(first, more), leans(second, less)].filter(Boolean).join(" ");
}
