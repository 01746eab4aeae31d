// Refuses a file that is too large before it is sent: the server may close the connection.
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
