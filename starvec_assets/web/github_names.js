// Logins, owner/name and topics as GitHub has them, safe in an address: the patterns of starvec_assets/github_names.py and
// topics.py. And what an address at GitHub names.

export const LOGIN_PATTERN = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$/;
export const REPOSITORY_PATTERN =
  /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\/(?:[A-Za-z0-9_-]|\.[A-Za-z0-9_-]|\.\.[A-Za-z0-9_.-])[A-Za-z0-9_.-]{0,99}$/;
export const TOPIC_PATTERN = /^[a-z0-9][a-z0-9-]{0,49}$/;

export const MAX_TOPIC_LENGTH = 50;
const MAX_ADDRESS_LENGTH = 2000; // characters that are looked at
const COMMAND = /^(?:git\s+clone|gh\s+repo\s+clone)\s+(?:-\S+\s+(?:[^\s/]+\s+)?)*/i;
/** Scheme and user of an address for browsers or for git, and its host, up to a slash or, in scp's form, a colon. */
const ADDRESS =
  /^(?:(?:git\+)?(?:https?|ssh|git):\/\/)?(?:[\w.-]+(?::[^@\s/]*)?@)?(?<host>[\w-]+(?:\.[\w-]+)+)(?::\d+)?(?:[/:]+(?<path>\S*))?$/i;
/** First parts of a path at github.com before a login. */
const BEFORE_LOGIN = new Set(["orgs", "users", "sponsors", "stars"]);
/** Pages of GitHub itself, which nobody can have as a login. */
const OWN_PAGES = new Set(
  `about apps codespaces collections contact customer-stories dashboard enterprise events explore features issues join
   login marketplace new notifications organizations pricing pulls readme search security settings signup site team
   topics trending`.split(/\s+/),
);

/**
 * @typedef {{kind: "user", login: string}} UserAddress
 * @typedef {{kind: "repository", name: string}} RepositoryAddress owner/name
 * @typedef {{kind: "gist"}} GistAddress
 * @typedef {{kind: "other"}} OtherAddress a page of GitHub that names neither person nor repository
 */

/**
 * A text as GitHub would write it as a topic, as topics.py does, and no longer than one; it may still be none.
 * @param {string} text as it was typed, or of an address
 */
export function normalizeTopic(text) {
  const written = text
    .trim()
    .toLowerCase()
    .replace(/[\s_]+/g, "-")
    .slice(0, MAX_TOPIC_LENGTH);
  return written.replace(/\p{Surrogate}/gu, ""); // halves of characters, which no address can hold
}

/**
 * What a text names if it is an address at GitHub, of a page or for git; null for any other text.
 * @param {string} text as it was typed or pasted
 * @returns {UserAddress | RepositoryAddress | GistAddress | OtherAddress | null}
 */
export function parseGitHubAddress(text) {
  const address = text
    .slice(0, MAX_ADDRESS_LENGTH)
    .trim()
    .replace(/^<(.*)>$/, "$1");
  const { host = "", path = "" } = ADDRESS.exec(address.replace(COMMAND, ""))?.groups ?? {};
  const parts = path
    .replace(/[?#].*$/, "")
    .split("/")
    .filter(Boolean);
  const pagesOwner = /^https?:/i.test(address) && /^([\w-]+)\.github\.io$/i.exec(host); // also the name of a repository
  if (pagesOwner) return named([pagesOwner[1], ...parts]);
  switch (host.toLowerCase().replace(/^www\./, "")) {
    case "github.com":
      if (BEFORE_LOGIN.has(parts[0])) return named(parts.slice(1, 2));
      return OWN_PAGES.has(parts[0]) ? { kind: "other" } : named(parts);
    case "api.github.com":
      return parts[0] === "repos" ? named(parts.slice(1)) : named(parts.slice(1, 2));
    case "raw.githubusercontent.com":
    case "codeload.github.com":
      return named(parts);
    case "gist.github.com":
    case "gist.githubusercontent.com":
      return { kind: "gist" };
    default:
      return null;
  }
}

/**
 * A person of one part, a repository of two or more.
 * @param {string[]} parts of a path
 * @returns {UserAddress | RepositoryAddress | OtherAddress}
 */
function named([login = "", repository]) {
  const name = `${login}/${(repository ?? "").replace(/\.git$/i, "")}`;
  if (repository !== undefined && REPOSITORY_PATTERN.test(name)) return { kind: "repository", name };
  return LOGIN_PATTERN.test(login) ? { kind: "user", login } : { kind: "other" };
}
