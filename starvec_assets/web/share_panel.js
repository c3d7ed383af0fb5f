// What a profile or a comparison is passed on by: a link, a picture, and a badge for a README.

import { announce, errorMessage, h, replace } from "./dom.js";
import { formatRank } from "./radar.js";
import { encodeProfile } from "./share_link.js";
import { badge, pngOf, sharePicture, svgText } from "./share_picture.js";
import { dataFooter, developerHref } from "./state.js";

/** @import { Series } from "./radar.js" */
/** @import { Person } from "./scoring.js" */
/** @import { App } from "./state.js" */

/**
 * Address of the profile of one person, or of the comparison of two. Developers of the bundle are in it by their login.
 * @param {App} app
 * @param {Person[]} people one or two
 * @param {boolean} withLogin whether the link holds the others' logins
 */
export function compareHref({ model }, people, withLogin) {
  const [{ kind, login }, ...others] = people;
  if (kind === "developer" && !others.length) return developerHref(login);
  const parts = people.map((person) =>
    person.kind === "developer" ? `@${person.login}` : encodeProfile(person, withLogin ? person.login : "", model.id),
  );
  return `#/compare/${parts.join("/")}`;
}

/**
 * @typedef {object} Shared
 * @property {Person[]} people one or two
 * @property {(withLogin: boolean) => {title: string, sentences: string[], series: Series[]}} describe what the picture
 *   says; asked for whenever it is made, as the numbers may have become exact
 */

/**
 * @param {App} app
 * @param {Shared} shared
 */
export function sharePanel(app, { people, describe }) {
  const what = people.length > 1 ? "comparison" : "profile";
  const logins = people.flatMap(({ kind, login }) => (kind === "developer" || !login ? [] : [login]));
  const fields = app.people.categories.map(({ title }) => title);
  const withLogin = h("input", { type: "checkbox", id: "share-login", checked: true, onchange: () => update() });
  const linkOutput = h("div", { class: "share-output" });
  const pictureOutput = h("div", {});
  const badgeOutput = h("div", {});
  const address = () => new URL(compareHref(app, people, withLogin.checked), location.href).href;
  const fileName = () => ["starvec", ...(withLogin.checked ? logins : [])].join("-");

  const showLink = () => {
    const field = copyField(linkOutput, "share-link", `Link to this ${what}`, address());
    linkOutput.append(
      h("p", { class: "hint" }, `The ${what} is in the link itself, behind the #: no server ever sees it.`),
    );
    copy(address(), field, "Link copied");
  };
  const showPicture = () => {
    const content = { ...describe(withLogin.checked), footer: dataFooter(app), fields };
    const picture = sharePicture(content);
    const note = h("p", { class: "hint", role: "status" });
    const attempt = (/** @type {() => Promise<void>} */ action) => () =>
      action().catch((error) => {
        note.textContent = errorMessage(error);
      });
    const png = async () => new File([await pngOf(svgText(picture))], `${fileName()}.png`, { type: "image/png" });
    const isShareable = navigator.canShare?.({ files: [new File([""], "a.png", { type: "image/png" })] });
    const share = async () => {
      try {
        await navigator.share({
          files: [await png()],
          title: content.title,
          text: content.sentences[0],
          url: address(),
        });
      } catch (error) {
        if (!(error instanceof DOMException && error.name === "AbortError")) throw error; // the visitor closed the dialog
      }
    };
    replace(
      pictureOutput,
      picture,
      h(
        "p",
        { class: "actions" },
        h("button", { type: "button", onclick: attempt(async () => save(await png())) }, "Download PNG"),
        h(
          "button",
          {
            type: "button",
            class: "quiet",
            onclick: () => save(new File([svgText(picture)], `${fileName()}.svg`, { type: "image/svg+xml" })),
          },
          "Download SVG",
        ),
        isShareable && h("button", { type: "button", class: "quiet", onclick: attempt(share) }, "Share …"),
      ),
      note,
    );
  };
  const showBadge = () => {
    const { series } = describe(withLogin.checked);
    const strongest = series[0].percentiles.reduce((best, x, i, all) => (x > all[best] ? i : best), 0);
    const value = `${fields[strongest]}: ahead of ${formatRank(series[0].percentiles[strongest])} in 100`;
    const picture = badge("GitHub stars", value);
    const file = new File([new XMLSerializer().serializeToString(picture)], `${fileName()}-badge.svg`, {
      type: "image/svg+xml",
    });
    const markdown = `[![GitHub stars. ${value} people](${file.name})](${address()})`;
    replace(badgeOutput, picture);
    const field = copyField(badgeOutput, "badge-markdown", "Markdown of the badge", markdown);
    badgeOutput.append(
      h(
        "p",
        { class: "actions" },
        h("button", { type: "button", onclick: () => save(file) }, "Download the badge"),
        h(
          "button",
          { type: "button", class: "quiet", onclick: () => copy(markdown, field, "Markdown copied") },
          "Copy the Markdown",
        ),
      ),
      h("p", { class: "hint" }, "Put the file beside your README. It is yours: no server is asked when it is shown."),
    );
  };
  /** @param {string} id @param {string} summary @param {() => void} show */
  const section = (id, summary, show, /** @type {Element} */ output) => {
    const details = h("details", { id, ontoggle: () => details.open && show() }, h("summary", {}, summary), output);
    return details;
  };
  const picture = section("share-picture", "A picture", showPicture, pictureOutput);
  const readme = people.length > 1 ? null : section("share-badge", "A badge for a README", showBadge, badgeOutput);
  const update = () => {
    if (linkOutput.childElementCount) showLink();
    if (picture.open) showPicture();
    if (readme?.open) showBadge();
  };
  return h(
    "div",
    { class: "share" },
    h("button", { type: "button", onclick: showLink }, `Copy a link to this ${what}`),
    logins.length > 0 &&
      h(
        "label",
        { for: "share-login" },
        withLogin,
        ` with the ${logins.length > 1 ? "logins" : "login"} ${logins.join(" and ")} in it`,
      ),
    linkOutput,
    picture,
    readme,
  );
}

/**
 * Show `value` in a field to copy from.
 * @param {Element} output
 * @param {string} id
 * @param {string} label
 * @param {string} value
 */
export function copyField(output, id, label, value) {
  const field = h("input", {
    id,
    type: "text",
    readonly: true,
    value,
    "aria-label": label,
    onfocus: () => field.select(),
  });
  if (id === "share-link") replace(output, field);
  else output.append(field);
  return field;
}

/**
 * Copy `text`; where the browser does not let, `field` has it selected.
 * @param {string} text
 * @param {HTMLElement} field
 * @param {string} done what to announce
 */
export const copy = (text, field, done) =>
  (navigator.clipboard?.writeText(text) ?? Promise.reject()).then(
    () => announce(done),
    () => field.focus(),
  );

/** Let the browser save a file. @param {File} file */
function save(file) {
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: file.name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // not before the browser has read it
}
