// Public stars of a person, and facts of a repository, from GitHub's API: the only server that this page requests anything
// but its own files from.

import { REPOSITORY_PATTERN } from "./github_names.js";

const API = "https://api.github.com";
const PER_PAGE = 100;
const CONCURRENCY = 4;
const MAX_PAGES = 200;
const README_BYTES = 10_000; // read of a README; the rest is not downloaded
const REPOSITORY_TIMEOUT_MS = 15_000; // for a repository and its README together

/**
 * @typedef {{id: number, name: string}} Star
 * @typedef {"not found" | "rate limit" | "bad token" | "offline" | "unexpected"} ErrorKind
 *
 * @typedef {object} RepositoryFacts
 * @property {number} id
 * @property {string} name owner/name as it is now
 * @property {string} description "" for none
 * @property {string} language "" for none
 * @property {string[]} topics
 * @property {number} stars
 * @property {string} readme beginning of the README, asked for only where there is neither description nor topic
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
    const { headers, body } = await fetchJson(url, `GitHub knows nobody with the login ${login}.`, token, signal);
    pages[page - 1] = parseStars(body);
    if (page === 1) total = Math.min(parseLastPage(headers.get("link") ?? ""), MAX_PAGES);
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
 * Fetch what a repository says about itself, in one request, or in two where only its README says anything.
 * @param {string} name owner/name, valid, as the caller has checked
 * @param {{token?: string, signal: AbortSignal}} options
 * @returns {Promise<RepositoryFacts>}
 * @throws {GitHubError}
 */
export async function fetchRepository(name, { token = "", signal }) {
  const url = `${API}/repos/${name}`;
  const controller = new AbortController();
  signal.addEventListener("abort", () => controller.abort());
  const timeout = setTimeout(() => controller.abort(new DOMException("", "TimeoutError")), REPOSITORY_TIMEOUT_MS);
  try {
    const { body } = await fetchJson(url, `GitHub has no public repository ${name}.`, token, controller.signal);
    const facts = parseRepository(body);
    if (facts.description || facts.topics.length) return facts;
    return { ...facts, readme: await fetchReadme(`${url}/readme`, token, controller.signal) };
  } finally {
    clearTimeout(timeout);
  }
}

/**
 * The beginning of a README, "" if there is none or it does not arrive.
 * @param {string} url
 * @param {string} token
 * @param {AbortSignal} signal
 */
async function fetchReadme(url, token, signal) {
  try {
    const response = await request(url, "application/vnd.github.raw+json", token, signal);
    const reader = response.ok ? response.body?.getReader() : null;
    const bytes = new Uint8Array(README_BYTES);
    let received = 0;
    while (reader && received < README_BYTES) {
      const { done, value } = await reader.read();
      if (done) break;
      const part = value.subarray(0, README_BYTES - received);
      bytes.set(part, received);
      received += part.length;
    }
    await reader?.cancel();
    return new TextDecoder().decode(bytes.subarray(0, received));
  } catch {
    return "";
  }
}

/**
 * @param {string} url
 * @param {string} accept media type
 * @param {string} token
 * @param {AbortSignal} signal
 */
function request(url, accept, token, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: accept };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(url, { headers, signal, credentials: "omit", referrerPolicy: "no-referrer", cache: "no-store" });
}

/**
 * @param {string} url
 * @param {string} missing message where GitHub has nothing of that name
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<{headers: Headers, body: unknown}>}
 * @throws {GitHubError}
 */
async function fetchJson(url, missing, token, signal) {
  /** @type {Response} */
  let response;
  /** @type {unknown} */
  let body;
  try {
    response = await request(url, "application/vnd.github+json", token, signal);
    body = await response.json().catch(() => null);
  } catch (error) {
    if (signal.aborted && signal.reason?.name !== "TimeoutError") throw error;
    throw new GitHubError(
      "offline",
      "api.github.com cannot be reached: you seem to be offline. Repository search, the developers and shared profiles work without it.",
    );
  }
  if (response.ok) return { headers: response.headers, body };
  const message = typeof body === "object" && body && "message" in body ? String(body.message).slice(0, 200) : "";
  if (response.status === 404) throw new GitHubError("not found", missing);
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

/**
 * @param {unknown} body
 * @returns {RepositoryFacts}
 */
function parseRepository(body) {
  const facts = /** @type {Record<string, unknown>} */ (typeof body === "object" && body ? body : {});
  const text = (/** @type {unknown} */ value, /** @type {number} */ length) =>
    typeof value === "string" ? value.slice(0, length) : "";
  const name = text(facts.full_name, 200);
  if (!REPOSITORY_PATTERN.test(name) || !Number.isSafeInteger(facts.id))
    throw new GitHubError("unexpected", "GitHub’s answer is not a repository. Try again in a minute.");
  const topics = Array.isArray(facts.topics) ? facts.topics.slice(0, 50) : [];
  return {
    id: Number(facts.id),
    name,
    description: text(facts.description, 1000),
    language: text(facts.language, 100),
    topics: topics.map((topic) => text(topic, 50)).filter(Boolean),
    stars: Number.isSafeInteger(facts.stargazers_count) ? Math.max(0, Number(facts.stargazers_count)) : 0,
    readme: "",
  };
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
