// The part of the start view that index.html holds, so that it is painted and takes a login before the rest has loaded.

import { h, replace } from "./dom.js";
import { readLogin } from "./login.js";
import { connectCheckbox } from "./remember.js";

const element = /** @type {HTMLElement} */ (document.getElementById("introduction"));

/**
 * Let the form of index.html take a login.
 * @param {(login: string) => void} onLogin
 */
export function connectIntroduction(onLogin) {
  const form = /** @type {HTMLFormElement} */ (element.querySelector("form"));
  const field = /** @type {HTMLInputElement} */ (element.querySelector("#login"));
  const status = /** @type {HTMLElement} */ (element.querySelector("#login-status"));
  connectCheckbox(/** @type {HTMLInputElement} */ (element.querySelector("#remember")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { login, problem } = readLogin(field.value);
    replace(status, problem.length > 0 && h("p", { class: "error", role: "alert" }, ...problem));
    if (!login) return;
    status.textContent = "Loading …";
    onLogin(login);
  });
}

/**
 * First section of the start view: title, explanation and form, the same elements each time, with what was typed in them.
 * They stay where they are, so that no key is lost while the rest of the view comes.
 * @param {Node | null} beside what is shown beside them
 */
export function introduction(beside) {
  for (const onlyAtFirst of element.querySelectorAll(".slow-load, noscript")) onlyAtFirst.remove();
  element.querySelector("[data-shell]")?.removeAttribute("data-shell");
  element.querySelector("#login-status")?.replaceChildren();
  while (element.nextSibling) element.nextSibling.remove();
  if (beside) element.after(beside);
  return element.parentElement;
}
