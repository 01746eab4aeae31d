// Shows moments in the browser's time zone, with UTC in the title; or all in UTC, by choice. Observes
// the page from the start, so that no moment is painted in UTC first.
(() => {
  "use strict";

  const root = document.documentElement;
  const language = root.lang === "en" ? "en-GB" : root.lang;
  const day = { day: "numeric", month: "short", year: "numeric" };
  const short = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  const clock = { ...short, second: "2-digit" };
  // The kinds of webapp/admin/wording/times.py; `ago` is a duration, of which only the title changes.
  const shapes = {
    time: clock,
    minute: { ...day, ...short },
    full: { ...day, ...clock },
    hour: short,
    day: { day: "numeric", month: "short" },
  };
  // On an axis there is no room for the zone.
  const onAxis = ["hour", "day"];
  const formatter = (shape, zone) => new Intl.DateTimeFormat(language, { ...shape, ...zone });
  const each = (zone) =>
    Object.fromEntries(Object.entries(shapes).map(([kind, shape]) => [kind, formatter(shape, zone)]));
  const local = each({});
  const utc = each({ timeZone: "UTC" });
  const zoned = formatter(shapes.full, { timeZoneName: "short" });

  const inUtc = () => localStorage.getItem("times") === "utc";

  function isUtcHere(moment) {
    return local.full.format(moment) === utc.full.format(moment);
  }

  function text(moment, kind) {
    if (!inUtc() && !isUtcHere(moment)) return local[kind].format(moment);
    if (onAxis.includes(kind)) return utc[kind].format(moment);
    return `${utc[kind].format(moment)} UTC`;
  }

  function title(moment) {
    const exact = `${utc.full.format(moment)} UTC`;
    return isUtcHere(moment) ? exact : `${zoned.format(moment)}\n${exact}`;
  }

  function show(element) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) return;
    const kind = element.dataset.local;
    if (kind in shapes) {
      const wanted = text(moment, kind);
      if (element.textContent !== wanted) element.textContent = wanted;
    }
    const wanted = title(moment);
    if (element.title !== wanted) element.title = wanted;
  }

  function showIn(node) {
    const element = node instanceof Element ? node : node.parentElement;
    if (!element) return;
    const around = element.closest("time[data-local]");
    if (around) show(around);
    else for (const found of element.querySelectorAll("time[data-local]")) show(found);
  }

  new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "childList") {
        const around = change.target.closest?.("time[data-local]");
        if (around) show(around);
        else change.addedNodes.forEach(showIn);
      } else {
        showIn(change.target);
      }
    }
  }).observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
    attributeFilter: ["datetime", "title"],
  });

  function showChoice() {
    const button = document.querySelector("[data-times-toggle]");
    if (!button) return;
    const { localWord, utcWord } = button.dataset;
    button.hidden = false;
    button.querySelector("[data-times-word]").textContent = inUtc() ? utcWord : localWord;
  }

  function showAll() {
    showChoice();
    showIn(root);
    document.dispatchEvent(new Event("times:changed"));
  }

  document.addEventListener("click", (event) => {
    if (!event.target.closest("[data-times-toggle]")) return;
    if (inUtc()) localStorage.removeItem("times");
    else localStorage.setItem("times", "utc");
    showAll();
  });

  addEventListener("storage", showAll);
  document.addEventListener("DOMContentLoaded", showChoice);

  // For other scripts.
  window.paratiaTimes = {
    clock(iso) {
      const moment = new Date(iso);
      return Number.isNaN(moment.getTime()) ? iso : text(moment, "time");
    },
  };
})();
