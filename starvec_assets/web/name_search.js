// What was typed or pasted as the name of a repository.

const MAX_QUERY_LENGTH = 140; // an owner of 39, a slash, a name of 100
const GITHUB_ADDRESS = /^((https?|ssh|git):\/\/)?(git@|www\.)?github\.com[/:](?<name>[^/\s?#]+(\/[^/\s?#]+)?)\S*$/;

/**
 * What was typed or pasted as a name, in lower case; of an address at GitHub, also of a page or for git, owner/name.
 * @param {string} typed
 */
export function normalizeQuery(typed) {
  return typed
    .slice(0, 10 * MAX_QUERY_LENGTH)
    .trim()
    .toLowerCase()
    .replace(GITHUB_ADDRESS, "$<name>")
    .replace(/(\.git)?\/?([?#].*)?$/, "")
    .replace(/\s+/g, " ")
    .slice(0, MAX_QUERY_LENGTH);
}
