// Search among the names of the vocabulary: by parts first, then allowing typos. Names stand most starred first, so a
// name's number is its fame. 300,000 names take a few milliseconds a query: one flat text, scanned by indexOf, and one
// bit-parallel pass (Myers 1999) over the names that hold a piece of it.

const LONGEST = 140; // an owner of 39, a slash, a name of 100
const NEWLINE = 10;
const SLASH = 47;
const ENOUGH = 40; // hits kept of each kind, most famous first

/**
 * @typedef {{index: number, typos: number}} Hit  typos 0: the text stands in the name as it is
 */

export class Names {
  #text;
  #bytes;
  #starts;

  /** @param {string[]} names owner/name, most starred first */
  constructor(names) {
    this.#text = `\n${names.join("\n").toLowerCase()}\n`;
    this.#bytes = new Uint8Array(this.#text.length);
    this.#starts = new Uint32Array(names.length + 1);
    let name = 0;
    for (let i = 0; i < this.#text.length; i++) {
      const code = this.#text.charCodeAt(i);
      this.#bytes[i] = code < 128 ? code : 1;
      if (code === NEWLINE) this.#starts[name++] = i + 1;
    }
  }

  get length() {
    return this.#starts.length - 1;
  }

  /**
   * The best names for what was typed so far.
   * @param {string} typed
   * @param {number} [most]
   * @returns {Hit[]}
   */
  search(typed, most = 10) {
    const words = tidy(typed).split(" ").filter(Boolean);
    if (!words.length) return [];
    const hits = words.length > 1 ? this.#withAll(words) : this.#withPart(words[0]);
    const found = rank(hits)
      .slice(0, most)
      .map((index) => ({ index, typos: 0 }));
    const whole = hits.size > 0 && Math.min(...hits.values()) < 0;
    if (whole || found.length >= most || words.join("").length < 3) return found;
    const known = new Set(found.map((hit) => hit.index));
    return found.concat(
      this.#near(words.join("-"), false)
        .filter((hit) => !known.has(hit.index))
        .slice(0, most - found.length),
    );
  }

  /**
   * The names most like a whole one that is not there.
   * @param {string} name
   * @param {number} [most]
   * @returns {Hit[]}
   */
  nearest(name, most = 5) {
    const query = tidy(name).replaceAll(" ", "-");
    const repository = query.slice(query.lastIndexOf("/") + 1);
    const hits = [
      ...this.#near(query, true).filter((hit) => hit.typos <= Math.max(2, 0.4 * query.length)),
      ...(repository.length > 1 ? this.search(repository, most) : []),
    ];
    return [...new Map(hits.map((hit) => [hit.index, hit])).values()].slice(0, most);
  }

  /**
   * Penalty by row: none for a repository's whole name, more for the beginning of one, of an owner, and for the middle.
   * @param {string} part
   */
  #withPart(part) {
    /** @type {Map<number, number>} */
    const hits = new Map();
    const kept = new Map();
    this.#scan(part, (index, at) => {
      const before = this.#bytes[at - 1];
      const ends = this.#bytes[at + part.length] === NEWLINE;
      const penalty = before === NEWLINE ? (ends ? -100 : 4) : before === SLASH ? (ends ? 0 : 3) : 6;
      const known = hits.get(index);
      if (known !== undefined ? known <= penalty : (kept.get(penalty) ?? 0) >= ENOUGH) return;
      hits.set(index, penalty);
      kept.set(penalty, (kept.get(penalty) ?? 0) + 1);
    });
    return hits;
  }

  /** Penalty by row of the names that hold every word. @param {string[]} words */
  #withAll(words) {
    const [longest, ...others] = [...words].sort((a, b) => b.length - a.length);
    /** @type {Map<number, number>} */
    const hits = new Map();
    this.#scan(longest, (index) => {
      const name = this.#name(index);
      if (hits.size < ENOUGH && others.every((word) => name.includes(word))) hits.set(index, 0);
    });
    return hits;
  }

  /** Every place where `part` stands, in the order of names. @param {string} part @param {(index: number, at: number) => void} found */
  #scan(part, found) {
    let index = 0;
    let left = part.length < 3 ? 20_000 : Infinity; // places of a letter or two among the less starred help nobody
    for (let at = this.#text.indexOf(part); at >= 0 && left-- > 0; at = this.#text.indexOf(part, at + 1)) {
      while (this.#starts[index + 1] <= at) index++;
      found(index, at);
    }
  }

  /** In lower case. @param {number} index */
  #name(index) {
    return this.#text.slice(this.#starts[index], this.#starts[index + 1] - 1);
  }

  /**
   * Names with a part that is a few typos away from `query`, best first.
   * @param {string} query
   * @param {boolean} whole compare with the whole name, not with its beginning
   * @returns {Hit[]}
   */
  #near(query, whole) {
    const pattern = query.slice(0, 31);
    const allowed = pattern.length < 3 ? 0 : pattern.length < 6 ? 1 : pattern.length < 12 ? 2 : 3;
    /** @type {{index: number, typos: number, cost: number}[]} */
    const hits = [];
    this.#candidates(pattern, allowed).forEach((indices) => {
      for (const index of indices) {
        const name = this.#name(index);
        const repository = name.slice(name.lastIndexOf("/") + 1);
        const distance = Math.min(
          typos(pattern, name, whole),
          pattern.includes("/") ? Infinity : typos(pattern, repository, whole),
        );
        const extra = Math.min(8, Math.abs((pattern.includes("/") ? name : repository).length - pattern.length));
        hits.push({
          index,
          typos: Math.max(1, distance),
          cost: 4 * distance + 0.25 * extra + 0.5 * Math.log2(index + 2),
        });
      }
    });
    return hits.sort((a, b) => a.cost - b.cost).map(({ index, typos }) => ({ index, typos }));
  }

  /**
   * The most famous names for each number of typos, 0 to `allowed`, that `pattern` is away from some part of them. Of
   * `allowed` + 1 pieces of the pattern one stands in such a name as it is, whatever the typos.
   * @param {string} pattern at most 31 characters
   * @param {number} allowed
   */
  #candidates(pattern, allowed) {
    const some = new Uint8Array(this.length);
    for (let piece = 0; piece <= allowed; piece++) {
      const cut = (/** @type {number} */ i) => Math.floor((i * pattern.length) / (allowed + 1));
      this.#scan(pattern.slice(cut(piece), cut(piece + 1)), (index) => (some[index] = 1));
    }
    const equal = new Int32Array(256);
    for (let i = 0; i < pattern.length; i++) equal[pattern.charCodeAt(i) & 255] |= 1 << i;
    const top = 1 << (pattern.length - 1);
    const found = Array.from({ length: allowed + 1 }, () => /** @type {number[]} */ ([]));
    for (let index = 0; index < this.length; index++) {
      if (!some[index]) continue;
      const best = this.#distance(index, equal, top, pattern.length);
      if (best <= allowed && found[best].length < 5 * ENOUGH) found[best].push(index);
    }
    return found;
  }

  /** Fewest typos between the pattern and any part of a name. @param {number} index @param {Int32Array} equal @param {number} top @param {number} length */
  #distance(index, equal, top, length) {
    const bytes = this.#bytes;
    let positive = -1;
    let negative = 0;
    let score = length;
    let best = length;
    for (let i = this.#starts[index], end = this.#starts[index + 1] - 1; i < end; i++) {
      const same = equal[bytes[i]];
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

/** Rows, best first: a kind's penalty is worth so many halvings of fame. @param {Map<number, number>} hits */
function rank(hits) {
  const cost = (/** @type {[number, number]} */ [index, penalty]) => penalty + Math.log2(index + 2);
  return [...hits].sort((a, b) => cost(a) - cost(b)).map(([index]) => index);
}

/**
 * Typos (insert, drop, change, swap two neighbours) between `pattern` and the beginning of `text`, or all of it.
 * @param {string} pattern
 * @param {string} text
 * @param {boolean} whole
 */
export function typos(pattern, text, whole) {
  let before = new Uint8Array(0);
  let row = Uint8Array.from({ length: text.length + 1 }, (_, j) => Math.min(255, j));
  for (let i = 1; i <= pattern.length; i++) {
    const next = new Uint8Array(text.length + 1);
    next[0] = i;
    for (let j = 1; j <= text.length; j++) {
      const change = pattern[i - 1] === text[j - 1] ? 0 : 1;
      let least = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + change);
      if (i > 1 && j > 1 && pattern[i - 1] === text[j - 2] && pattern[i - 2] === text[j - 1])
        least = Math.min(least, before[j - 2] + 1);
      next[j] = least;
    }
    before = row;
    row = next;
  }
  return whole ? row[text.length] : row.reduce((least, x) => Math.min(least, x));
}

/** What was typed or pasted, as names are written: lower case, no address around it. @param {string} typed */
export function tidy(typed) {
  return typed
    .slice(0, 10 * LONGEST)
    .trim()
    .toLowerCase()
    .replace(/^(https?:\/\/)?(www\.)?github\.com\//, "")
    .replace(/(\.git)?\/?([?#].*)?$/, "")
    .replace(/\s+/g, " ")
    .slice(0, LONGEST);
}
