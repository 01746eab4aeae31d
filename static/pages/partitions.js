// The selection of rows: kept here, since a refresh may replace rows. The bar of actions offers those
// that apply to the selection.
(() => {
  "use strict";

  const find = (selector, within = document) => within.querySelector(selector);
  const findAll = (selector, within = document) => [...within.querySelectorAll(selector)];

  const picked = new Set();
  // Whether all that match the filter are selected, also on other pages.
  let matching = false;

  const boxes = () => findAll("[data-pick]");
  const isPicked = (box) => matching || picked.has(box.value);
  const can = (box, kind) => box.dataset.can.split(" ").includes(kind);

  function forgetMissing() {
    const shown = new Set(boxes().map((box) => box.value));
    for (const value of picked) if (!shown.has(value)) picked.delete(value);
    if (!find("[data-pick-matching]")) matching = false;
  }

  function showBoxes() {
    for (const box of boxes()) box.checked = isPicked(box);
    const all = find("[data-pick-all]");
    const chosen = boxes().filter(isPicked).length;
    all.checked = chosen > 0 && chosen === boxes().length;
    all.indeterminate = chosen > 0 && chosen < boxes().length;
    const every = find("[data-pick-matching]");
    if (every) every.checked = matching;
  }

  function showActions() {
    for (const button of findAll("[data-bulk]")) {
      const kind = button.dataset.bulk;
      const count = boxes().filter((box) => isPicked(box) && can(box, kind)).length;
      button.disabled = !matching && count === 0;
      const badge = find("[data-bulk-count]", button);
      badge.hidden = matching || count === 0;
      badge.textContent = count;
    }
  }

  function showWords() {
    const place = find("[data-picked]");
    const { none, some, every } = place.dataset;
    const text = matching ? every : picked.size ? some.replace("{count}", picked.size) : none;
    if (place.textContent !== text) place.textContent = text;
  }

  function show() {
    if (!find("[data-pick-all]")) return;
    forgetMissing();
    showBoxes();
    showActions();
    showWords();
  }

  function pick(box) {
    if (matching) for (const each of boxes()) picked.add(each.value);
    matching = false;
    picked[box.checked ? "add" : "delete"](box.value);
  }

  function pickAll(isChecked) {
    matching = false;
    for (const box of boxes()) picked[isChecked ? "add" : "delete"](box.value);
  }

  document.addEventListener("change", (event) => {
    const box = event.target;
    if (box.matches("[data-pick]")) pick(box);
    else if (box.matches("[data-pick-all]")) pickAll(box.checked);
    else if (box.matches("[data-pick-matching]")) matching = box.checked;
    else return;
    show();
  });

  document.addEventListener("htmx:finally:request", show);

  // Boxes that the browser has restored.
  for (const box of findAll("[data-pick]:checked")) picked.add(box.value);
  show();
})();
