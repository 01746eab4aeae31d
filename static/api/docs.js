// Shows the API's description. Calls made from the page use the panel's session, which
// needs a CSRF token, unless a token was entered under "Authorize".
"use strict";

const place = document.getElementById("api");
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;

// What Swagger UI leaves unnamed for those who listen to the page.
function mend() {
  const set = (selector, values) => {
    for (const element of place.querySelectorAll(selector)) {
      for (const [name, value] of Object.entries(values)) element.setAttribute(name, value);
    }
  };
  set("#servers", { "aria-label": "Server" });
  set(".information-container", { role: "region", "aria-label": "About this API" });
  set(".schemes-server-container", { role: "region", "aria-label": "Server and login" });
  set("h3.opblock-tag, section.models h4", { "aria-level": "2" });
}

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  // A link to each operation would stand inside the button that opens it.
  deepLinking: false,
  validatorUrl: null,
  onComplete: mend,
  requestInterceptor(request) {
    if (!request.headers.Authorization) {
      request.headers["X-CSRFToken"] = csrfToken;
    }
    return request;
  },
});
