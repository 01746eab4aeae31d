// Copies what a button names. Where the browser refuses, the text is selected and the page says so.
(() => {
  "use strict";

  const BACK_AFTER_MS = 2000;
  const said = document.getElementById("copied");
  let timer = 0;

  function select(element) {
    const range = document.createRange();
    range.selectNodeContents(element);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  }

  function say(text, stays) {
    clearTimeout(timer);
    said.textContent = text;
    if (!stays) timer = setTimeout(() => (said.textContent = ""), BACK_AFTER_MS);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      say(said.dataset.done.replace("{what}", button.dataset.what), false);
    } catch {
      select(source);
      say(said.dataset.refused, true);
    }
  });

  // Whoever goes on has copied, or does not want to.
  document.addEventListener("copy", () => say("", true));
})();
