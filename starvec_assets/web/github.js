// The stars of a person from GitHub's public API: the only server that this page asks for anything but its own files.

export const API = "https://api.github.com";
const PER_PAGE = 100;
const AT_ONCE = 4;
const MOST_PAGES = 200;
/** owner/name, as GitHub writes it and as it may stand in an address. */
export const NAME = /^[A-Za-z0-9_-]{1,100}\/[A-Za-z0-9_.-]{1,100}$/;

/**
 * @typedef {{id: number, name: string}} Star
 * @typedef {{stars: Star[], pages: number, read: number}} Stars  read: pages that arrived, newest stars first
 * @typedef {'unknown' | 'limit' | 'token' | 'offline' | 'strange'} Trouble
 */

/** GitHub did not give what was asked for; `partial` is what had arrived. */
export class GitHubError extends Error {
  /**
   * @param {Trouble} kind
   * @param {string} message one sentence for the reader
   * @param {Date | null} resets when asking makes sense again
   */
  constructor(kind, message, resets = null) {
    super(message);
    this.kind = kind;
    this.resets = resets;
    /** @type {Stars} */
    this.partial = { stars: [], pages: 0, read: 0 };
  }
}

/**
 * All public stars of `login`, several pages at a time.
 * @param {string} login checked by the caller to look like one
 * @param {{token?: string, signal: AbortSignal, onPage: (read: number, pages: number, stars: number) => void}} options
 * @returns {Promise<Stars>}
 * @throws {GitHubError}
 */
export async function starsOf(login, { token = "", signal, onPage }) {
  /** @type {Star[][]} */
  const pages = [];
  let total = 1;
  let next = 1;
  const gather = () => ({ stars: pages.flat(), pages: total, read: pages.filter(Boolean).length });
  const read = async () => {
    const page = next++;
    const answer = await ask(`${API}/users/${login}/starred?per_page=${PER_PAGE}&page=${page}`, login, token, signal);
    pages[page - 1] = answer.stars;
    if (page === 1) total = Math.min(answer.last, MOST_PAGES);
    const so_far = gather();
    onPage(so_far.read, total, so_far.stars.length);
  };
  const reader = async () => {
    while (next <= total) await read();
  };
  try {
    await read();
    await Promise.all(Array.from({ length: AT_ONCE }, reader));
  } catch (error) {
    next = Infinity; // the other readers stop too
    if (error instanceof GitHubError) error.partial = gather();
    throw error;
  }
  return gather();
}

/**
 * @param {string} url
 * @param {string} login
 * @param {string} token
 * @param {AbortSignal} signal
 * @returns {Promise<{stars: Star[], last: number}>}
 */
async function ask(url, login, token, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/vnd.github+json" };
  if (token) headers.Authorization = `Bearer ${token}`;
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
  if (response.ok) return { stars: starsIn(body), last: lastPage(response.headers.get("link") ?? "") };
  const message = typeof body === "object" && body && "message" in body ? String(body.message).slice(0, 200) : "";
  if (response.status === 404) throw new GitHubError("unknown", `GitHub knows nobody with the login ${login}.`);
  if (response.status === 401)
    throw new GitHubError("token", "GitHub refuses this token: it is mistyped, expired or revoked.");
  if (
    response.status === 429 ||
    (response.status === 403 && (response.headers.get("x-ratelimit-remaining") === "0" || /rate limit/i.test(message)))
  )
    throw new GitHubError("limit", "", resetOf(response.headers));
  throw new GitHubError(
    "strange",
    `GitHub answers ${response.status}${message ? ` (“${message}”)` : ""}. Try again in a minute.`,
  );
}

/** @param {unknown} body @returns {Star[]} */
function starsIn(body) {
  if (!Array.isArray(body) || body.length > PER_PAGE)
    throw new GitHubError("strange", "GitHub’s answer is not a list of stars. Try again in a minute.");
  return body
    .filter(
      (repo) =>
        repo &&
        Number.isSafeInteger(repo.id) &&
        repo.id > 0 &&
        typeof repo.full_name === "string" &&
        NAME.test(repo.full_name),
    )
    .map((repo) => ({ id: repo.id, name: repo.full_name }));
}

/** The number of the page that a Link header calls last, 1 without one. @param {string} link */
function lastPage(link) {
  const match = /[?&]page=(\d{1,6})[^<>]*>;\s*rel="last"/.exec(link.slice(0, 4000));
  return match ? Math.max(1, Number(match[1])) : 1;
}

/** @param {Headers} headers */
function resetOf(headers) {
  const after = Number(headers.get("retry-after") ?? NaN);
  if (after >= 0 && after < 1e6) return new Date(Date.now() + after * 1000);
  const reset = Number(headers.get("x-ratelimit-reset") ?? NaN);
  return reset > 0 && reset < 1e11 ? new Date(reset * 1000) : null;
}
