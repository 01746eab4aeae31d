// Keyboard shortcuts of the panel. `?` opens their list.
(() => {
  "use strict";

  const SECOND_KEY_MS = 1500;
  const ROWS = "main tbody tr, main .cause, main .family, main .needs li, main [data-row]";
  const GOALS = "a.name, a[href], button:not(:disabled), summary, input:not([type=hidden])";
  const FIELDS = "input:not([type=checkbox], [type=radio]), textarea, select, [contenteditable]";
  const find = (selector, within = document) => within.querySelector(selector);
  const list = find("#keys");
  let going = 0;

  const areOn = () => localStorage.getItem("keys") !== "off";

  function goal(row) {
    return find("a.name", row) ?? find(GOALS, row);
  }

  function move(step) {
    const rows = [...document.querySelectorAll(ROWS)].filter(
      (row) => row.checkVisibility() && goal(row),
    );
    if (!rows.length) return;
    const here = rows.findIndex((row) => row.contains(document.activeElement));
    const next = here < 0 ? (step > 0 ? 0 : rows.length - 1) : here + step;
    goal(rows[Math.min(Math.max(next, 0), rows.length - 1)]).focus();
  }

  function pick() {
    const row = document.activeElement.closest("tr, [data-row]");
    if (row) find("[data-pick]", row)?.click();
  }

  function search() {
    const field = find("main [data-search]");
    const tenants = find('a[data-go="t"]');
    if (field) {
      field.focus({ preventScroll: true });
      field.select();
      scrollTo({ top: 0 });
    } else if (tenants) {
      location.assign(`${tenants.href}#find`);
    }
  }

  function go(letter) {
    const link = find(`a[data-go="${CSS.escape(letter)}"]`);
    if (link) location.assign(link.href);
    return Boolean(link);
  }

  const actions = {
    "/": search,
    "?": () => list.showModal(),
    j: () => move(1),
    k: () => move(-1),
    x: pick,
    p: () => find("[data-pause]")?.click(),
    u: () => find("[data-times-toggle]")?.click(),
    g: () => (going = Date.now()),
  };

  function pressed(key) {
    const follows = Date.now() - going < SECOND_KEY_MS;
    going = 0;
    if (follows && go(key)) return true;
    if (!Object.hasOwn(actions, key)) return false;
    actions[key]();
    return true;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    const field = event.target.closest(FIELDS);
    if (find("dialog[open]")) return;
    if (field) {
      if (event.key === "Escape") field.blur();
    } else if (areOn() && pressed(event.key)) {
      event.preventDefault();
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-open]")) list.showModal();
    // A click beside an open dialog closes it.
    else if (event.target === list) list.close();
  });

  const choice = find("[data-keys-on]");
  choice.checked = areOn();
  choice.addEventListener("change", () => {
    if (choice.checked) localStorage.removeItem("keys");
    else localStorage.setItem("keys", "off");
  });

  find("[data-keys-open]").hidden = false;
  if (location.hash === "#find") search();
  find(".nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
})();
