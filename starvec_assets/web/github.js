// Public stars of a person from GitHub's API: the only server that this page requests anything but its own files from.

import { REPOSITORY_PATTERN } from "./github_names.js";

const API = "https://api.github.com";
const PER_PAGE = 100;
const CONCURRENCY = 4;
const MAX_PAGES = 200;

/**
 * @typedef {{id: number, name: string}} Star
 * @typedef {"not found" | "rate limit" | "bad token" | "offline" | "unexpected"} ErrorKind
 *
 * @typedef {object} StarList
 * @property {Star[]} stars newest first
 * @property {number} pages that GitHub has, at most MAX_PAGES
 * @property {number} pagesRead
 */

/** GitHub did not answer with all stars; `partial` holds those that had arrived. */
export class GitHubError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message one sentence for the reader
   * @param {Date | null} resets when to try again, if known
   */
  constructor(kind, message, resets = null) {
    super(message);
    this.kind = kind;
    this.resets = resets;
    /** @type {StarList} */
    this.partial = { stars: [], pages: 0, pagesRead: 0 };
  }
}

/**
 * Fetch all public stars of `login`, CONCURRENCY pages at a time.
 * @param {string} login valid, as the caller has checked
 * @param {{token?: string, signal: AbortSignal, onPage: (list: StarList) => void}} options
 * @returns {Promise<StarList>}
 * @throws {GitHubError}
 */
export async function fetchStars(login, { token = "", signal, onPage }) {
  /** @type {Star[][]} */
  const pages = [];
  let total = 1;
  let next = 1;
  const collect = () => ({ stars: pages.flat(), pages: total, pagesRead: pages.filter(Boolean).length });
  const readPage = async () => {
    const page = next++;
    const url = `${API}/users/${login}/starred?per_page=${PER_PAGE}&page=${page}`;
    const { stars, lastPage } = await fetchPage(url, login, token, signal);
    pages[page - 1] = stars;
    if (page === 1) total = Math.min(lastPage, MAX_PAGES);
    onPage(collect());
  };
  const readRemaining = async () => {
    while (next <= total) await readPage();
  };
  try {
    await readPage();
    await Promise.all(Array.from({ length: CONCURRENCY }, readRemaining));
  } catch (error) {
    next = Infinity; // stops the other readers
    if (error instanceof GitHubError) error.partial = collect();
    throw error;
  }
  return collect();
}

/**
 * @param {string} url
 * @param {string} login
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<{stars: Star[], lastPage: number}>}
 */
async function fetchPage(url, login, token, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/vnd.github+json" };
  if (token) headers.Authorization = `Bearer ${token}`;
  /** @type {Response} */
  let response;
  /** @type {unknown} */
  let body;
  try {
    response = await fetch(url, {
      headers,
      signal,
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-store",
    });
    body = await response.json().catch(() => null);
  } catch (error) {
    if (signal.aborted) throw error;
    throw new GitHubError(
      "offline",
      "api.github.com cannot be reached: you seem to be offline. Repository search, the developers and shared profiles work without it.",
    );
  }
  if (response.ok) return { stars: parseStars(body), lastPage: parseLastPage(response.headers.get("link") ?? "") };
  const message = typeof body === "object" && body && "message" in body ? String(body.message).slice(0, 200) : "";
  if (response.status === 404) throw new GitHubError("not found", `GitHub knows nobody with the login ${login}.`);
  if (response.status === 401)
    throw new GitHubError("bad token", "GitHub refuses this token: it is mistyped, expired or revoked.");
  if (
    response.status === 429 ||
    (response.status === 403 && (response.headers.get("x-ratelimit-remaining") === "0" || /rate limit/i.test(message)))
  )
    throw new GitHubError("rate limit", "", parseReset(response.headers));
  throw new GitHubError(
    "unexpected",
    `GitHub answers ${response.status}${message ? ` (“${message}”)` : ""}. Try again in a minute.`,
  );
}

/**
 * @param {unknown} body
 * @returns {Star[]}
 */
function parseStars(body) {
  if (!Array.isArray(body) || body.length > PER_PAGE)
    throw new GitHubError("unexpected", "GitHub’s answer is not a list of stars. Try again in a minute.");
  return body
    .filter(
      (repo) =>
        repo &&
        Number.isSafeInteger(repo.id) &&
        repo.id > 0 &&
        typeof repo.full_name === "string" &&
        REPOSITORY_PATTERN.test(repo.full_name),
    )
    .map((repo) => ({ id: repo.id, name: repo.full_name }));
}

/** Number of the last page by a Link header, 1 without one. @param {string} link */
function parseLastPage(link) {
  const match = /[?&]page=(\d{1,6})[^<>]*>;\s*rel="last"/.exec(link.slice(0, 4000));
  return match ? Math.max(1, Number(match[1])) : 1;
}

/** When the rate limit ends by the response's headers, null if they do not tell. @param {Headers} headers */
function parseReset(headers) {
  const after = Number(headers.get("retry-after") ?? NaN);
  if (after >= 0 && after < 1e6) return new Date(Date.now() + after * 1000);
  const reset = Number(headers.get("x-ratelimit-reset") ?? NaN);
  return reset > 0 && reset < 1e11 ? new Date(reset * 1000) : null;
}
