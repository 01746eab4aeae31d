// The panel's behaviour: one listener for each kind of event, controlled by data attributes.
(() => {
  "use strict";

  const find = (selector, within = document) => within.querySelector(selector);

  // This script's words in the language of the page.
  const wordOf = (name) => find("#words").dataset[name];

  // Dialogs show the element #confirm of another page. Without scripts, or when the fetch fails, that
  // page opens itself.

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
    if (before === wordOf("copied")) return;
    word.textContent = wordOf("copied");
    setTimeout(() => (word.textContent = before), 1500);
  }

  // The link back to the tenants keeps the list's last filter of this tab.

  const back = find("a[data-back]");
  const tenants = find('a[data-go="t"]')?.pathname;
  if (location.pathname === tenants) sessionStorage.setItem("tenants", location.search);
  else if (back) back.search = sessionStorage.getItem("tenants") ?? "";

  // Answers to htmx; for live parts see live.js.

  document.addEventListener("htmx:before:response", (event) => {
    const answer = event.detail.ctx.response.raw;
    // 401 leads to the login, 304 changes nothing; other failures must not replace the content.
    const fine = answer.ok || answer.status === 401 || answer.status === 304;
    if (!fine || answer.redirected) event.preventDefault();
  });

  document.addEventListener("htmx:finally:request", (event) => {
    const { ctx } = event.detail;
    if (!ctx.request.action.includes("/live/") && ctx.status !== "swapped") location.reload();
  });

  // Events of the page.

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

  // A name that must be typed: the browser shows the message when the form is sent. Invisible
  // characters are ignored, as by `as_typed` in webapp/texts.py.

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
