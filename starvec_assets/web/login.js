// Logins as visitors type or paste them.

import { h } from "./dom.js";
import { LOGIN_PATTERN, parseGitHubAddress } from "./github_names.js";
import { similarHref, userHref } from "./state.js";

/** @import { Child } from "./dom.js" */

/**
 * The login in what was typed or pasted; without one, what to tell the visitor.
 * @param {string} typed
 * @returns {{login: string, problem: Child[]}}
 */
export function readLogin(typed) {
  const address = parseGitHubAddress(typed);
  const login = address?.kind === "user" ? address.login : address ? "" : parseLogin(typed);
  if (login) return { login, problem: [] };
  if (address?.kind === "repository") {
    const [owner] = address.name.split("/");
    const like = h("a", { href: similarHref([address.name]) }, `What is like ${address.name}?`);
    const profile = h("a", { href: userHref(owner) }, `Who is ${owner}?`);
    return { login: "", problem: ["That is the address of a repository, not of a person. ", like, " ", profile] };
  }
  if (address?.kind === "gist")
    return { login: "", problem: ["That is a gist, of which nothing is known here. Type the login of a person."] };
  if (address) return { login: "", problem: ["That is a page of GitHub itself. Type the login of a person."] };
  const isEmpty = !typed.trim();
  const rule = "That is no GitHub login: it has letters, digits, hyphens and underscores, and no spaces.";
  return { login: "", problem: [isEmpty ? "Type a GitHub login first." : rule] };
}

/** A login as it is typed, with or without an at sign; "" if it is none. @param {string} text */
export function parseLogin(text) {
  const login = text.trim().replace(/^@/, "");
  return LOGIN_PATTERN.test(login) ? login : "";
}
