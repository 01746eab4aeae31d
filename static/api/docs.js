// Shows the API's description. Calls from the page use the panel's session with a CSRF token, unless
// an API token was entered under "Authorize".
"use strict";

const place = document.getElementById("api");
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;

// Attributes for screen readers and keyboards that Swagger UI lacks: a text, or a function of the
// element.
const NAMES = [
  ["#servers", { "aria-label": "Server" }],
  [".information-container", { role: "region", "aria-label": "About this API" }],
  [".schemes-server-container", { role: "region", "aria-label": "Server and login" }],
  ["h3.opblock-tag, section.models h4", { "aria-level": "2" }],
  [".opblock-body h4", { "aria-level": "3" }],
  [".opblock-body h5", { "aria-level": "4" }],
  ["table.responses-table", { "aria-label": (table) => `Responses of ${operation(table)}` }],
  ["pre.microlight", { tabindex: "0" }],
  ["select:not([aria-label]):not([id])", { "aria-label": (select) => parameter(select) }],
];

const operation = (element) => element.closest(".opblock")?.id ?? "the operation";
const parameter = (element) => element.closest("[data-param-name]")?.dataset.paramName ?? "Value";

function mend() {
  for (const [selector, values] of NAMES) {
    for (const element of place.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(values)) {
        element.setAttribute(name, typeof value === "string" ? value : value(element));
      }
    }
  }
}

// Swagger UI renders an operation when it is opened.
new MutationObserver(mend).observe(place, { childList: true, subtree: true });

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  // A link to each operation would stand inside the button that opens it.
  deepLinking: false,
  validatorUrl: null,
  requestInterceptor(request) {
    if (!request.headers.Authorization) {
      request.headers["X-CSRFToken"] = csrfToken;
    }
    return request;
  },
});
