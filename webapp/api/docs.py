"""The API's description: as JSON, and as a page to read and try."""

from typing import cast

from apiflask import APIFlask
from flask import Response, current_app, json, render_template, request

from webapp.api.openapi import describe
from webapp.api.routing import api


@api.get("/openapi.json")
@api.doc(hide=True)
def description() -> Response:
    """The description, made once for all requests; only `servers` depends on the path."""
    extensions = current_app.extensions
    if "openapi" not in extensions:
        extensions["openapi"] = describe(cast(APIFlask, current_app))
    spec = {**extensions["openapi"], "servers": [{"url": request.script_root or "/"}]}
    return Response(json.dumps(spec), content_type="application/json")


@api.get("/docs")
@api.doc(hide=True)
def page() -> str:
    """The description as a page, on which calls can be tried."""
    return render_template("api/docs.html")
