// Light, dark, or as the system: the visitor's choice, kept on this device alone. A classic script that runs before the
// page is painted, so that nothing flashes; without a choice it stores nothing.

(() => {
  const KEY = "starvec theme";
  const root = document.documentElement;

  /** The stored choice, "" for none and where nothing can be stored. */
  const stored = () => {
    try {
      return localStorage.getItem(KEY) ?? "";
    } catch {
      return "";
    }
  };

  /** @param {string} theme "light", "dark", or anything else for the system's */
  const apply = (theme) => {
    const chosen = theme === "light" || theme === "dark" ? theme : "";
    root.dataset.theme = chosen;
    // The colour of the browser's own frame: two elements, of which the media query chooses one.
    for (const meta of document.querySelectorAll('meta[name="theme-color"]')) {
      const own = meta.getAttribute("data-theme");
      meta.setAttribute("media", chosen ? (own === chosen ? "all" : "not all") : `(prefers-color-scheme: ${own})`);
    }
    dispatchEvent(new Event("themechange"));
    return chosen;
  };

  const theme = apply(stored());
  addEventListener("DOMContentLoaded", () => {
    const select = /** @type {HTMLSelectElement} */ (document.getElementById("theme"));
    select.value = theme;
    select.addEventListener("change", () => {
      apply(select.value);
      try {
        if (select.value) localStorage.setItem(KEY, select.value);
        else localStorage.removeItem(KEY);
      } catch {} // the choice holds until the page is left
    });
    window.addEventListener("storage", ({ key }) => {
      if (key === KEY) select.value = apply(stored()); // chosen in another tab
    });
  });
})();
