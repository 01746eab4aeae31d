// A file that is too large says so before it is sent: a server may hang up on it half way.
(() => {
  "use strict";

  document.addEventListener("change", (event) => {
    const { mostBytes, tooLarge } = event.target.dataset;
    if (mostBytes === undefined) return;
    const isTooLarge = [...event.target.files].some((file) => file.size > Number(mostBytes));
    event.target.setCustomValidity(isTooLarge ? tooLarge : "");
    if (isTooLarge) event.target.reportValidity();
  });
})();
