// Search among the names of the vocabulary: by substring first, then allowing typos. Names are ordered most starred
// first, so a row is also a rank by fame. A query over 300,000 names takes a few milliseconds: one flat text scanned by
// indexOf, and one bit-parallel pass (Myers 1999) over the names that contain a piece of the query.

import { normalizeQuery } from "../name_search.js";
import { free } from "./memory.js";

/** @import { Lines } from "./lines.js" */
/** @typedef {{index: number, edits: number}} Hit row and edit distance; 0 if the name contains the query */

const NUL = 0;
const NEWLINE = 10;
const SLASH = 47;
const MAX_HITS_PER_KIND = 40; // most starred first

/** What was typed, as the text has it. @param {string} typed */
const asTyped = (typed) => typed.replace(/\P{ASCII}/gu, "\x7f");

/**
 * Search index over all names: their bytes in lower case as one text with a character for each byte, so that places in it
 * are places in the bytes. Names at GitHub are of ASCII alone: any other character that is typed is a typo.
 */
export class NameIndex {
  #text;
  #starts;

  /**
   * @param {Lines} names owner/name, most starred first
   * @param {number[]} hidden rows that are never found
   */
  constructor({ bytes, starts }, hidden) {
    const lowered = new Uint8Array(bytes.length + 2).fill(NEWLINE);
    for (let i = 0; i < bytes.length; i++) lowered[i + 1] = bytes[i] >= 65 && bytes[i] <= 90 ? bytes[i] + 32 : bytes[i];
    for (const row of hidden) lowered.fill(NUL, starts[row] + 1, starts[row + 1]);
    this.#text = new TextDecoder("latin1").decode(lowered);
    free(lowered.buffer);
    this.#starts = starts;
  }

  get length() {
    return this.#starts.length - 1;
  }

  /** Row of a name in any letter case, -1 if there is none. @param {string} name */
  rowOf(name) {
    const at = name ? this.#text.indexOf(`\n${asTyped(name.toLowerCase())}\n`) : -1;
    return at < 0 ? -1 : this.#rowAt(at + 1);
  }

  /**
   * Rows of many names, by name in lower case, in one pass over all of them.
   * @param {string[]} names
   * @returns {Map<string, number>}
   */
  rowsOf(names) {
    const wanted = new Map(names.map((name) => [asTyped(name.toLowerCase()), name.toLowerCase()]));
    const rows = new Map();
    for (let row = 0; wanted.size && row < this.length; row++) {
      const name = wanted.get(this.#name(row));
      if (name !== undefined) rows.set(name, row);
    }
    return rows;
  }

  /** Row of a place in the text. @param {number} at */
  #rowAt(at) {
    let [low, high] = [0, this.length];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if (this.#starts[middle] < at) low = middle;
      else high = middle;
    }
    return low;
  }

  /**
   * The best names for what was typed so far.
   * @param {string} typed
   * @param {number} [k] at most so many
   * @returns {Hit[]}
   */
  search(typed, k = 10) {
    const words = asTyped(normalizeQuery(typed)).split(" ").filter(Boolean);
    if (!words.length) return [];
    const hits = words.length > 1 ? this.#allWordsHits(words) : this.#substringHits(words[0]);
    const exact = rankHits(hits)
      .slice(0, k)
      .map((index) => ({ index, edits: 0 }));
    const isWholeName = hits.size > 0 && Math.min(...hits.values()) < 0;
    if (isWholeName || exact.length >= k || words.join("").length < 3) return exact;
    const exactRows = new Set(exact.map((hit) => hit.index));
    return exact.concat(
      this.#fuzzyHits(words.join("-"), false)
        .filter((hit) => !exactRows.has(hit.index))
        .slice(0, k - exact.length),
    );
  }

  /**
   * The names most similar to a whole name that is not in the vocabulary.
   * @param {string} name
   * @param {number} [k] at most so many
   * @returns {Hit[]}
   */
  nearest(name, k = 5) {
    const query = asTyped(normalizeQuery(name)).replaceAll(" ", "-");
    const repository = query.slice(query.lastIndexOf("/") + 1);
    const hits = [
      ...this.#fuzzyHits(query, true).filter((hit) => hit.edits <= Math.max(2, 0.4 * query.length)),
      ...(repository.length > 1 ? this.search(repository, k) : []),
    ];
    return [...new Map(hits.map((hit) => [hit.index, hit])).values()].slice(0, k);
  }

  /**
   * Penalty by row of the names that contain `part`: lowest where it is a whole name, then a repository, the beginning
   * of a repository, the beginning of an owner, and the middle of either.
   * @param {string} part
   */
  #substringHits(part) {
    /** @type {Map<number, number>} */
    const hits = new Map();
    const hitsByPenalty = new Map();
    this.#scan(part, (index, at) => {
      const before = this.#text.charCodeAt(at - 1);
      const ends = this.#text.charCodeAt(at + part.length) === NEWLINE;
      const penalty = before === NEWLINE ? (ends ? -100 : 4) : before === SLASH ? (ends ? 0 : 3) : 6;
      const known = hits.get(index);
      const count = hitsByPenalty.get(penalty) ?? 0;
      if (known !== undefined ? known <= penalty : count >= MAX_HITS_PER_KIND) return;
      hits.set(index, penalty);
      hitsByPenalty.set(penalty, count + 1);
    });
    return hits;
  }

  /** Penalty by row of the names that contain every word. @param {string[]} words */
  #allWordsHits(words) {
    const [longest, ...others] = [...words].sort((a, b) => b.length - a.length);
    /** @type {Map<number, number>} */
    const hits = new Map();
    this.#scan(longest, (index) => {
      const name = this.#name(index);
      if (hits.size < MAX_HITS_PER_KIND && others.every((word) => name.includes(word))) hits.set(index, 0);
    });
    return hits;
  }

  /**
   * Call `onMatch` for each occurrence of `part`, in the order of names.
   * @param {string} part
   * @param {(index: number, at: number) => void} onMatch row, and position in the text
   */
  #scan(part, onMatch) {
    let index = 0;
    let left = part.length < 3 ? 20_000 : Infinity; // a letter or two occurs too often to be useful further down
    for (let at = this.#text.indexOf(part); at >= 0 && left-- > 0; at = this.#text.indexOf(part, at + 1)) {
      while (this.#starts[index + 1] < at) index++;
      onMatch(index, at);
    }
  }

  /** Name of a row in lower case. @param {number} index */
  #name(index) {
    return this.#text.slice(this.#starts[index] + 1, this.#starts[index + 1]);
  }

  /**
   * Names that are a few typos away from `query`, best first.
   * @param {string} query
   * @param {boolean} whole compare with the whole name instead of its beginning
   * @returns {Hit[]}
   */
  #fuzzyHits(query, whole) {
    const pattern = query.slice(0, 31);
    const allowed = pattern.length < 3 ? 0 : pattern.length < 6 ? 1 : pattern.length < 12 ? 2 : 3;
    /** @type {{index: number, edits: number, cost: number}[]} */
    const hits = [];
    for (const index of this.#fuzzyCandidates(pattern, allowed)) {
      const name = this.#name(index);
      const repository = name.slice(name.lastIndexOf("/") + 1);
      const distance = Math.min(
        editDistance(pattern, name, whole),
        pattern.includes("/") ? Infinity : editDistance(pattern, repository, whole),
      );
      const extra = Math.min(8, Math.abs((pattern.includes("/") ? name : repository).length - pattern.length));
      hits.push({
        index,
        edits: Math.max(1, distance),
        cost: 4 * distance + 0.25 * extra + 0.5 * Math.log2(index + 2),
      });
    }
    return hits.sort((a, b) => a.cost - b.cost).map(({ index, edits }) => ({ index, edits }));
  }

  /**
   * Rows of the most starred names that have a part within `allowed` edits of `pattern`, grouped by distance. Such a
   * name contains at least one of `allowed` + 1 pieces of the pattern unchanged, so only names with a piece are measured.
   * @param {string} pattern at most 31 characters
   * @param {number} allowed
   */
  #fuzzyCandidates(pattern, allowed) {
    const hasPiece = new Uint8Array(this.length);
    for (let piece = 0; piece <= allowed; piece++) {
      const cut = (/** @type {number} */ i) => Math.floor((i * pattern.length) / (allowed + 1));
      this.#scan(pattern.slice(cut(piece), cut(piece + 1)), (index) => {
        hasPiece[index] = 1;
      });
    }
    const equal = new Int32Array(256);
    for (let i = 0; i < pattern.length; i++) equal[pattern.charCodeAt(i) & 255] |= 1 << i;
    const top = 1 << (pattern.length - 1);
    const byDistance = Array.from({ length: allowed + 1 }, () => /** @type {number[]} */ ([]));
    for (let index = 0; index < this.length; index++) {
      if (!hasPiece[index]) continue;
      const best = this.#substringDistance(index, equal, top, pattern.length);
      if (best <= allowed && byDistance[best].length < 5 * MAX_HITS_PER_KIND) byDistance[best].push(index);
    }
    return byDistance.flat();
  }

  /**
   * Smallest edit distance between the pattern and any part of a name (Myers 1999).
   * @param {number} index row of the name
   * @param {Int32Array} equal for each character code, the bits of the positions where the pattern has it
   * @param {number} top bit of the pattern's last position
   * @param {number} length of the pattern
   */
  #substringDistance(index, equal, top, length) {
    const text = this.#text;
    let positive = -1;
    let negative = 0;
    let score = length;
    let best = length;
    for (let i = this.#starts[index] + 1, end = this.#starts[index + 1]; i < end; i++) {
      const same = equal[text.charCodeAt(i) & 255];
      const vertical = same | negative;
      const horizontal = (((same & positive) + positive) ^ positive) | same;
      let up = negative | ~(horizontal | positive);
      let down = positive & horizontal;
      if (up & top) score++;
      else if (down & top) score--;
      if (score < best) best = score;
      up <<= 1;
      down <<= 1;
      positive = down | ~(vertical | up);
      negative = up & vertical;
    }
    return best;
  }
}

/** Rows, best first; a point of penalty costs as much as twice the rank by stars. @param {Map<number, number>} hits */
function rankHits(hits) {
  const cost = (/** @type {[number, number]} */ [index, penalty]) => penalty + Math.log2(index + 2);
  return [...hits].sort((a, b) => cost(a) - cost(b)).map(([index]) => index);
}

/**
 * Edit distance (insert, delete, substitute, swap adjacent characters) from `pattern` to the best beginning of `text`.
 * @param {string} pattern
 * @param {string} text
 * @param {boolean} whole compare with all of `text` instead
 */
function editDistance(pattern, text, whole) {
  let previous = new Uint8Array(0);
  let row = Uint8Array.from({ length: text.length + 1 }, (_, j) => Math.min(255, j));
  for (let i = 1; i <= pattern.length; i++) {
    const next = new Uint8Array(text.length + 1);
    next[0] = i;
    for (let j = 1; j <= text.length; j++) {
      const change = pattern[i - 1] === text[j - 1] ? 0 : 1;
      let least = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + change);
      if (i > 1 && j > 1 && pattern[i - 1] === text[j - 2] && pattern[i - 2] === text[j - 1])
        least = Math.min(least, previous[j - 2] + 1);
      next[j] = least;
    }
    previous = row;
    row = next;
  }
  return whole ? row[text.length] : row.reduce((least, x) => Math.min(least, x));
}
