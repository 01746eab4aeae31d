"""Where the API's description is read: as JSON, and as a page to try it on."""

from typing import cast

from apiflask import APIFlask
from flask import Response, current_app, json, render_template, request

from webapp.api.openapi import describe
from webapp.api.routing import api


@api.get("/openapi.json")
@api.doc(hide=True)
def description() -> Response:
    """The description of the API; made once, since only where it is served can change."""
    kept = current_app.extensions
    if "openapi" not in kept:
        kept["openapi"] = describe(cast(APIFlask, current_app))
    described = {**kept["openapi"], "servers": [{"url": request.script_root or "/"}]}
    return Response(json.dumps(described), content_type="application/json")


@api.get("/docs")
@api.doc(hide=True)
def page() -> str:
    """The description as a page to read and try."""
    return render_template("api/docs.html")
