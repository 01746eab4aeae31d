"""Unchanged live parts are answered with 304."""

import hashlib
import re

from flask import Response, request

from webapp.admin.live.cache import is_live
from webapp.db.types import utc_now

# The moment of the figures, which the browser shows also after a 304.
AS_OF = "As-Of"
# Parts that differ in every answer: the clock, and tokens.
_VOLATILE = re.compile(rb'data-at="[^"]*"|name="(?:csrf_token|form_key)" value="[^"]*"')


def answer_unchanged(response: Response) -> Response:
    """Tag a live part by its content; 304 where the browser shows it already."""
    if request.method == "GET" and is_live() and response.status_code == 200:
        content = _VOLATILE.sub(b"", response.get_data())
        response.headers[AS_OF] = utc_now().isoformat()
        response.set_etag(hashlib.blake2b(content, digest_size=12).hexdigest())
        response.make_conditional(request)
    return response
