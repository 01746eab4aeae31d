"""Addresses of static files, with the file's version, so that browsers can cache them."""

from pathlib import Path
from typing import Any

from flask import Flask, Response, request

VERSION = "v"
KEPT = "public, max-age=31536000, immutable"


def init_app(app: Flask) -> None:
    """Add the version to `url_for('static', …)`, and let versioned files be cached."""
    folder = Path(app.static_folder or "")

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "filename" in values:
            values.setdefault(VERSION, _version(folder / values["filename"]))

    @app.after_request
    def keep(response: Response) -> Response:
        if request.endpoint == "static" and VERSION in request.args and response.status_code < 400:
            response.headers["Cache-Control"] = KEPT
        return response


def _version(path: Path) -> str | None:
    try:
        return f"{path.stat().st_mtime_ns // 1_000_000:x}"
    except OSError:
        return None
