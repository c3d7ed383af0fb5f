// The part of the start view that index.html holds, so that it is painted and takes a login before the rest has loaded.

import { focusedIn, h, replace } from "./dom.js";
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

/** Title, explanation and form of the start view; the same element each time, with what was typed in it. */
export function introduction() {
  for (const onlyAtFirst of element.querySelectorAll(".slow-load, noscript")) onlyAtFirst.remove();
  element.querySelector("[data-shell]")?.removeAttribute("data-shell");
  element.querySelector("#login-status")?.replaceChildren();
  const focused = focusedIn(element); // lost when the element moves into the view, so given back when it is there
  if (focused)
    setTimeout(() => /** @type {HTMLElement} */ (element.querySelector(focused)).focus({ preventScroll: true }));
  return element;
}
