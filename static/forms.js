// A form is sent once: a second press does nothing. When the browser shows the page again (Back), it
// can be sent again.
(() => {
  "use strict";

  // By content, not by element: a refresh of a live part replaces the element.
  const sent = new Set();
  // These fields differ in every copy of a form.
  const VOLATILE = ["csrf_token", "form_key"];

  function contentOf(form, submitter) {
    const fields = new FormData(form, submitter);
    for (const name of VOLATILE) fields.delete(name);
    const values = [...fields].map(([name, value]) => [name, value.name ?? value]);
    return JSON.stringify([form.action, values]);
  }

  // On the window, so that scripts that handle a form themselves come first.
  window.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    const what = contentOf(form, event.submitter);
    if (sent.has(what)) event.preventDefault();
    sent.add(what);
  });

  window.addEventListener("pageshow", () => sent.clear());
})();
