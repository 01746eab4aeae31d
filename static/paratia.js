// The panel's behaviour: one listener per kind of event, told by data attributes what to do.
(() => {
  "use strict";

  const STILL_FRESH = 3;
  const find = (selector, within = document) => within.querySelector(selector);

  // The words of this script, in the language of the page.
  const said = (name) => find("#words").dataset[name];

  // Dialogs: a page with an element #confirm, shown above this one. Without a script, or when
  // it cannot be fetched, the page itself opens.

  async function openDialog(address) {
    const dialog = find("#dialog");
    try {
      const answer = await fetch(address, { credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const content = answer.ok && !answer.redirected && page.querySelector("#confirm");
      if (!content) throw new Error("no dialog");
      dialog.replaceChildren(document.adoptNode(content));
      dialog.showModal();
    } catch {
      location.assign(address);
    }
  }

  async function copy(button) {
    await navigator.clipboard.writeText(button.dataset.copy);
    const word = find("span", button);
    const before = word.textContent;
    if (before === said("copied")) return;
    word.textContent = said("copied");
    setTimeout(() => (word.textContent = before), 1500);
  }

  // Live parts: refreshed by htmx, but never while the page is hidden or paused.

  const live = find("[data-live]");
  let paused = false;
  let missed = 0;
  let timer = 0;

  const asOf = () => find("#as-of").dataset;

  function showStamp() {
    const stamp = find("[data-stamp]");
    if (!stamp) return;
    const stale = missed >= STILL_FRESH;
    live.classList.toggle("stale", stale);
    stamp.classList.toggle("stale", stale);
    const form = stamp.dataset[stale ? "stale" : paused ? "paused" : "updated"];
    const text = form
      .replace("{at}", paratiaTimes.clock(asOf().at))
      .replace("{every}", asOf().every);
    const place = find("[data-stamp-text]", stamp);
    if (place.textContent !== text) place.textContent = text;
    const button = find("[data-pause]", stamp);
    button.hidden = false;
    find("span", button).textContent = button.dataset[paused ? "playWord" : "pauseWord"];
    const use = find("use", button);
    use.setAttribute("href", use.getAttribute("href").replace(/#.*$/, paused ? "#play" : "#pause"));
  }

  function schedule() {
    clearTimeout(timer);
    if (!paused && !document.hidden) timer = setTimeout(refresh, asOf().every * 1000);
  }

  function refresh() {
    clearTimeout(timer);
    htmx.trigger(live, "refresh");
  }

  function answered(fine) {
    missed = fine ? 0 : missed + 1;
    showStamp();
    schedule();
  }

  document.addEventListener("htmx:before:response", (event) => {
    const answer = event.detail.ctx.response.raw;
    // 401 leads to the login by itself; no other failure may take the place of what is shown.
    if ((!answer.ok || answer.redirected) && answer.status !== 401) event.preventDefault();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    if (ctx.request.action.includes("/live/")) answered(ctx.status === "swapped");
    else if (ctx.status !== "swapped") location.reload();
    else if (live) setTimeout(refresh, 300);
  });

  document.addEventListener("visibilitychange", () => {
    if (live && !document.hidden && !paused) refresh();
  });

  // Everything that is clicked, sent, changed or typed.

  document.addEventListener("click", (event) => {
    const on = (selector) => event.target.closest(selector);
    const link = on("a[data-dialog]");
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      openDialog(link.href);
    } else if (on("dialog [data-close]")) {
      event.preventDefault();
      find("#dialog").close();
    } else if (on("[data-dismiss]")) {
      on(".notice").remove();
    } else if (on("[data-copy]")) {
      copy(on("[data-copy]"));
    } else if (on("[data-pause]")) {
      paused = !paused;
      showStamp();
      if (paused) clearTimeout(timer);
      else refresh();
    }
  });

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (!form.matches("form[data-dialog]")) return;
    event.preventDefault();
    const values = new URLSearchParams(new FormData(form, event.submitter));
    openDialog(`${form.action}?${values}`);
  });

  // A name that must be typed: the browser itself says what is wrong when the form is sent.

  const asDrawn = (text) => text.normalize("NFKC").replace(/\s+/g, " ").trim();

  document.addEventListener("input", (event) => {
    const { mustBe } = event.target.dataset;
    if (mustBe === undefined) return;
    const same = asDrawn(event.target.value) === asDrawn(mustBe);
    event.target.setCustomValidity(same ? "" : event.target.dataset.otherwise);
  });

  find(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
  if (live) {
    document.addEventListener("times:changed", showStamp);
    showStamp();
    schedule();
  }
})();
