"""Where the API's description is read: as JSON, and as a page to try it on."""

from typing import cast

from apiflask import APIFlask
from flask import Response, current_app, json, render_template

from webapp.api.blueprint import api
from webapp.api.openapi import describe


@api.get("/openapi.json")
@api.doc(hide=True)
def description() -> Response:
    """The description of the API; made once, since it cannot change while we run."""
    kept = current_app.extensions
    if "openapi" not in kept:
        kept["openapi"] = json.dumps(describe(cast(APIFlask, current_app)))
    return Response(kept["openapi"], content_type="application/json")


@api.get("/docs")
@api.doc(hide=True)
def page() -> str:
    """The description as a page to read and try."""
    return render_template("api/docs.html")
