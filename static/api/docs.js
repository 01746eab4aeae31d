// Shows the API's description. Calls made from the page use the panel's session, which
// needs a CSRF token, unless a token was entered under "Authorize".
"use strict";

const place = document.getElementById("api");
const csrfToken = document.querySelector('meta[name="csrf-token"]').content;

SwaggerUIBundle({
  domNode: place,
  url: place.dataset.description,
  deepLinking: true,
  validatorUrl: null,
  requestInterceptor(request) {
    if (!request.headers.Authorization) {
      request.headers["X-CSRFToken"] = csrfToken;
    }
    return request;
  },
});
