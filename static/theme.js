// The theme: the stored choice, else the system's. Runs before the page is painted, to avoid a flash.
(() => {
  "use strict";

  const THEMES = ["system", "light", "dark"];
  const root = document.documentElement;

  function theme() {
    const stored = localStorage.getItem("theme");
    return THEMES.includes(stored) ? stored : "system";
  }

  function paint() {
    if (theme() === "system") delete root.dataset.theme;
    else root.dataset.theme = theme();
  }

  function show() {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    button.hidden = false;
    button.querySelector("[data-theme-word]").textContent = button.dataset[theme()];
    const use = button.querySelector("[data-theme-icon] use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*$/, `#${theme()}`));
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-toggle]")) return;
    const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
    if (next === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", next);
    paint();
    show();
  });

  // The choice of another tab.
  addEventListener("storage", () => (paint(), show()));
  document.addEventListener("DOMContentLoaded", show);
  paint();
})();
