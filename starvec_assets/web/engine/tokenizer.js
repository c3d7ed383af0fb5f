// How text is cut into words for search, by the rules that starvec_assets/text_search/tokenizer.py states. The tests
// compare the words of both.

export const MAX_CHARS = 10_000;
const MAX_WORD_CHARS = 40;
const STOPWORDS = new Set(
  "a an and are as at be by for from in is it its of on or that the this to use used using with you your".split(" "),
);
const UNDIVIDED = new Set(["github", "gitlab", "javascript", "typescript", "youtube"]);

const LETTERS =
  "0-9A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03ce" +
  "\u0400-\u0481\u048a-\u0527\u0531-\u0556\u0561-\u0586\u05d0-\u05ea\u0620-\u064a\u0671-\u06d3" +
  "\u0900-\u0963\u0966-\u096f\u0971-\u0977\u10d0-\u10f0";
const UNSPACED =
  "\u0e01-\u0e3a\u0e40-\u0e4e\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u3400-\u4db5\u4e00-\u9fcb\uac00-\ud7a3";
const COMPOSED = "\u1100-\u1112\u1161-\u1175\u11a8-\u11c2\u3099\u309a\uff01-\uff5e\uff66-\uff9f";
const MARKS = "\u093c\u094d\u0951-\u0954\u0e38-\u0e3a\u0e48-\u0e4b\u3099\u309a";
const MANY_MARKS = new RegExp(`([${MARKS}]{3})[${MARKS}]+`, "g");
const ACCENTS = /[\u0300-\u036f]/g;
const UNREAD = new RegExp(`[^\\x20-\\x7e\u2019${LETTERS}${UNSPACED}${COMPOSED}]`, "g");
const APOSTROPHE = new RegExp(`(?<=[${LETTERS}])['\u2019](?=[${LETTERS}])`, "g");
const PIECE = `(?:[A-Za-z]#|[${LETTERS}]+(?:\\+\\+)?)`;
const RUN = new RegExp(
  `(?<net>(?<![${LETTERS}])\\.[Nn][Ee][Tt](?![${LETTERS}]))|(?<unspaced>[${UNSPACED}]+)` +
    `|(?<number>[Vv]?[0-9]+(?:\\.[0-9]+)+(?![${LETTERS}]))|${PIECE}(?:[._-]${PIECE})*`,
  "g",
);
const JOINTS = /[._-]/;
const CASE_CHANGE = /(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z][a-z])/;
const NUMBERED = /^([A-Za-z]{3,})[0-9]{1,2}$/;
/** @type {[RegExp, string][]} */
const ENDINGS = [
  [/^(..+)ies$/, "$1y"],
  [/^(..+[^ijsu]|..?[iu])s$/, "$1"],
  [/^(.{4,})(?:ly|ity)$/, "$1"],
  [/^(?=.{3,}(?:ing|[^e]ed)$)(.*[aeiouy].*)(?:ing|ed)$|^(.{4,})ion$|^(.{5,})(?:er|or|able|ible)$/, "$1$2$3"],
  [/^(..+)([bdfglmnprt])\2$/, "$1$2"],
  [/^(...+)e$/, "$1"],
  [/^(.{5,})at$/, "$1"],
];
const ENGLISH = /^[a-z]{3,}$/;
const WHITE_SPACE = /[\t\n\r \u00a0\u3000]+/;
const SURROUNDING = /^[()[\]{}<>"'`,;:!?]+|[()[\]{}<>"'`,;:!?.]+$/g;

/**
 * The words of `text` in their order, with repetitions.
 * @param {string} text
 */
export function tokenize(text) {
  /** @type {string[]} */
  const words = [];
  for (const { 0: whole, groups } of fold(text).matchAll(RUN)) {
    if (groups?.net) words.push("dotnet");
    else if (groups?.unspaced) {
      for (let i = 0; i < Math.max(1, whole.length - 1); i++) words.push(whole.slice(i, i + 2));
    } else if (groups?.number) words.push(whole);
    else words.push(...wordsOf(whole.split(JOINTS)));
  }
  return words
    .map((word) => word.toLowerCase().replaceAll("ς", "σ").slice(0, MAX_WORD_CHARS))
    .filter((word) => !STOPWORDS.has(word))
    .map(stem);
}

/**
 * The parts of a query between white space as they were written, each with its words; none without words.
 * @param {string} text
 * @returns {{part: string, words: string[]}[]}
 */
export function tokenizeQuery(text) {
  return Array.from(text.slice(0, 2 * MAX_CHARS))
    .slice(0, MAX_CHARS)
    .join("")
    .split(WHITE_SPACE)
    .map((part) => ({ part: part.replace(SURROUNDING, ""), words: tokenize(part) }))
    .filter(({ words }) => words.length);
}

/**
 * `word` without its English ending if it is of the letters a to z.
 * @param {string} word
 */
export function stem(word) {
  return ENGLISH.test(word) ? ENDINGS.reduce((left, [ending, kept]) => left.replace(ending, kept), word) : word;
}

/**
 * The words of pieces that stand together: all joined, each alone, and the parts of each.
 * @param {string[]} pieces
 */
function wordsOf(pieces) {
  const words = pieces.length > 1 ? [pieces.join("")] : [];
  for (const piece of pieces) {
    words.push(piece);
    const parts = piece.split(CASE_CHANGE);
    const numbered = NUMBERED.exec(piece);
    if (parts.length > 1 && parts.every((part) => part.length > 1) && !UNDIVIDED.has(piece.toLowerCase()))
      words.push(...parts);
    else if (numbered) words.push(numbered[1]);
  }
  return words;
}

/**
 * The part of `text` that is read, composed, without accents, apostrophes and characters of no rule.
 * @param {string} text
 */
function fold(text) {
  const read = text.slice(0, MAX_CHARS).replace(ACCENTS, "").replace(UNREAD, " ").replace(MANY_MARKS, "$1");
  return read.normalize("NFKD").replace(ACCENTS, "").normalize("NFC").replace(APOSTROPHE, "");
}
