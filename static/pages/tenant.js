// Copies the element that a button names. Where the browser refuses, selects the text and says so.
(() => {
  "use strict";

  const BACK_AFTER_MS = 2000;
  const message = document.getElementById("copied");
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
    message.textContent = text;
    if (!stays) timer = setTimeout(() => (message.textContent = ""), BACK_AFTER_MS);
  }

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copies]");
    if (!button) return;
    const source = document.getElementById(button.dataset.copies);
    try {
      await navigator.clipboard.writeText(source.textContent);
      say(message.dataset.done.replace("{what}", button.dataset.what), false);
    } catch {
      select(source);
      say(message.dataset.refused, true);
    }
  });

  // The user has copied the selected text.
  document.addEventListener("copy", () => say("", true));
})();
