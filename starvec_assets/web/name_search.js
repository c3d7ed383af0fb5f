// What was typed or pasted as the name of a repository.

import { parseGitHubAddress } from "./github_names.js";

const MAX_QUERY_LENGTH = 140; // an owner of 39, a slash, a name of 100

/**
 * What was typed or pasted as a name, in lower case; of an address at GitHub, also of a page or for git, owner/name.
 * @param {string} typed
 */
export function normalizeQuery(typed) {
  const address = parseGitHubAddress(typed);
  const name = address?.kind === "repository" ? address.name : address?.kind === "user" ? address.login : typed;
  return name
    .slice(0, 10 * MAX_QUERY_LENGTH)
    .trim()
    .toLowerCase()
    .replace(/(\.git)?\/?([?#].*)?$/, "")
    .replace(/\s+/g, " ")
    .slice(0, MAX_QUERY_LENGTH);
}
