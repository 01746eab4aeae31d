// Live parts: htmx refreshes them every few seconds, but not while the page is hidden or frozen.
// Selection, focus and the order of rows are kept; see `keepRows`.
(() => {
  "use strict";

  const MISSES = 3;
  // After this time without an answer, the figures are marked as old.
  const SILENT_MS = 9000;
  const TIMEOUT_MS = 4000;
  const SOON_MS = 300;

  const live = document.querySelector("[data-live]");
  if (!live) return;
  const find = (selector, within = document) => within.querySelector(selector);
  const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

  let paused = false;
  let missed = 0;
  let timer = 0;
  let answeredAt = performance.now();
  // The ETag of the shown content.
  let shown = null;
  // How many added, removed or moved rows are held back while the user works on a table.
  let held = 0;
  let released = false;

  const asOf = () => find("#as-of").dataset;
  const resting = () => paused || document.hidden;
  const isStale = () => missed >= MISSES || performance.now() - answeredAt > SILENT_MS;

  function showStamp() {
    const stamp = find("[data-stamp]");
    if (!stamp) return;
    const stale = !resting() && isStale();
    live.classList.toggle("stale", stale);
    stamp.classList.toggle("stale", stale);
    const form = stamp.dataset[stale ? "stale" : paused ? "paused" : "updated"];
    const text = form
      .replace("{at}", paratiaTimes.clock(asOf().at))
      .replace("{every}", asOf().every);
    const place = find("[data-stamp-text]", stamp);
    if (place.textContent !== text) place.textContent = text;
    showPause(find("[data-pause]", stamp));
    showHeld(find("[data-held]", stamp));
  }

  function showPause(button) {
    button.hidden = false;
    find("span", button).textContent = button.dataset[paused ? "playWord" : "pauseWord"];
    const use = find("use", button);
    use.setAttribute("href", use.getAttribute("href").replace(/#.*$/, paused ? "#play" : "#freeze"));
  }

  function showHeld(button) {
    button.hidden = held === 0;
    const word = button.dataset[held === 1 ? "one" : "some"];
    button.textContent = word.replace("{count}", held);
  }

  function schedule() {
    clearTimeout(timer);
    if (!resting()) timer = setTimeout(refresh, asOf().every * 1000);
  }

  function refresh() {
    clearTimeout(timer);
    htmx.trigger(live, "refresh");
  }

  function resume() {
    answeredAt = performance.now();
    refresh();
  }

  function showAll() {
    released = true;
    shown = null;
    refresh();
  }

  // While a row is selected, or the focus is in a table, its rows are updated in place; added, removed
  // and moved rows are held back until the user shows them.

  const isAtWork = (table) =>
    table.contains(document.activeElement) || find("[data-pick]:checked", table) !== null;
  const rowsOf = (table) => findAll("tbody > tr[id]", table);

  function keepRowsOf(table, fresh) {
    const before = rowsOf(table);
    const after = new Map(rowsOf(fresh).map((row) => [row.id, row]));
    const stays = before.map((row) => after.get(row.id) ?? row.cloneNode(true));
    const known = new Set(before.map((row) => row.id));
    const come = [...after.keys()].filter((id) => !known.has(id)).length;
    const gone = before.filter((row) => !after.has(row.id)).length;
    const moved = [...after.keys()].filter((id, place) => before[place]?.id !== id).length;
    find("tbody", fresh).replaceChildren(...stays);
    return Math.max(come, gone) || moved;
  }

  function keepRows(text) {
    const template = document.createElement("template");
    template.innerHTML = text;
    held = 0;
    if (released) return text;
    for (const section of findAll("section[id]", live)) {
      const table = find("table", section);
      const fresh = find(`#${CSS.escape(section.id)} table`, template.content);
      if (table && fresh && isAtWork(table)) held += keepRowsOf(table, fresh);
    }
    return held ? template.innerHTML : text;
  }

  // Events of htmx.

  const isLive = (event) => event.detail.ctx.request.action.includes("/live/");

  document.addEventListener("htmx:config:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.sourceElement !== live) return;
    ctx.request.timeout = TIMEOUT_MS;
    if (shown) ctx.request.headers["If-None-Match"] = shown;
  });

  document.addEventListener("htmx:after:request", (event) => {
    if (!isLive(event)) return;
    const { ctx } = event.detail;
    const { headers, status } = ctx.response;
    if (status === 304) {
      asOf().at = headers.get("As-Of") ?? asOf().at;
      ctx.isUnchanged = true;
      return;
    }
    ctx.text = keepRows(ctx.text);
    released = false;
    // Rows that are held back must be sent again.
    shown = held ? null : headers.get("ETag");
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    if (!isLive(event)) {
      if (ctx.status === "swapped") setTimeout(refresh, SOON_MS);
      return;
    }
    const fine = ctx.isUnchanged || ctx.status === "swapped";
    missed = fine ? 0 : missed + 1;
    if (fine) answeredAt = performance.now();
    showStamp();
    schedule();
  });

  document.addEventListener("visibilitychange", () => {
    if (resting()) clearTimeout(timer);
    else resume();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-held]")) {
      showAll();
    } else if (event.target.closest("[data-pause]")) {
      paused = !paused;
      showStamp();
      if (paused) clearTimeout(timer);
      else resume();
    }
  });

  document.addEventListener("times:changed", showStamp);
  setInterval(showStamp, 1000);
  showStamp();
  schedule();
})();
