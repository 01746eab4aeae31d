// A form is sent once: what is pressed again while the answer is on its way does nothing. It can be
// sent anew when the browser shows the page again on the way back.
(() => {
  "use strict";

  // What was asked for, not which element asked: a live part may have drawn the form anew.
  const sent = new Set();
  // They differ each time a form is drawn.
  const PASSING = ["csrf_token", "form_key"];

  function wanted(form, submitter) {
    const fields = new FormData(form, submitter);
    for (const name of PASSING) fields.delete(name);
    const values = [...fields].map(([name, value]) => [name, value.name ?? value]);
    return JSON.stringify([form.action, values]);
  }

  // On the window, so that a script that takes a form in hand comes first.
  window.addEventListener("submit", (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.method !== "post") return;
    const what = wanted(form, event.submitter);
    if (sent.has(what)) event.preventDefault();
    sent.add(what);
  });

  window.addEventListener("pageshow", () => sent.clear());
})();
