// The panel's behaviour: one listener per kind of event, told by data attributes what to do.
(() => {
  "use strict";

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

  // The way back to the tenants leads to the list as this tab showed it last, with its filter.

  const back = find("a[data-back]");
  const tenants = find('a[data-go="t"]')?.pathname;
  if (location.pathname === tenants) sessionStorage.setItem("tenants", location.search);
  else if (back) back.search = sessionStorage.getItem("tenants") ?? "";

  // What htmx answers: see live.js for the parts that refresh themselves.

  document.addEventListener("htmx:before:response", (event) => {
    const answer = event.detail.ctx.response.raw;
    // 401 leads to the login by itself, and 304 changes nothing; no other failure may take the
    // place of what is shown.
    const fine = answer.ok || answer.status === 401 || answer.status === 304;
    if (!fine || answer.redirected) event.preventDefault();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.request.action.includes("/live/") && ctx.status !== "swapped") location.reload();
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
  // What cannot be seen need not be typed, as `as_typed` in webapp/texts.py has it.

  const UNSEEN = /[\p{Default_Ignorable_Code_Point}\p{Cc}\u2800\ufff9-\ufffb]/gu;
  const spaced = (text) => text.replace(/\s+/g, " ").trim();
  const asDrawn = (text) => spaced(spaced(text.normalize("NFKC")).replace(UNSEEN, ""));

  document.addEventListener("input", (event) => {
    const { mustBe } = event.target.dataset;
    if (mustBe === undefined) return;
    const same = asDrawn(event.target.value) === asDrawn(mustBe);
    event.target.setCustomValidity(same ? "" : event.target.dataset.otherwise);
  });

  find(".tabs [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
})();
