"""Idempotency keys of POST calls: one effect, and the same answer to each repeat."""

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps
from typing import Any

from flask import Response, jsonify, request
from pydantic import BaseModel

from webapp import current
from webapp.api.access import caller, takes_body
from webapp.api.errors import refuse
from webapp.errors import DatabaseRestored, DomainError, InvalidField, KeyInUse, KeyMismatch
from webapp.http.problems import MEDIA_TYPE
from webapp.idempotency import WITHOUT_KEY, Answer, Key, Repeated, WithKey, keep

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
USABLE = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
UNUSABLE = (
    f"Must be 1 to {MAX_LENGTH} printable ASCII characters: send a new UUID for each action, "
    "and the same one when you repeat it."
)

View = Callable[..., Any]


def honours_keys(make_answer: Callable[[Any], Answer]) -> Callable[[View], View]:
    """Make a POST repeatable; stands directly above the view, below APIFlask's decorators.

    The view passes its argument `idempotency` on to its use case and returns that one's result;
    `make_answer` turns it into the answer, within the use case's transaction. Refusals of the
    domain are stored too. Other failures (credentials, the body, an outage) are not, so a repeat
    tries again.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def repeatable(*args: Any, **kwargs: Any) -> Response:
            key = _key()
            if key is None:
                return _respond(make_answer(view(*args, idempotency=WITHOUT_KEY, **kwargs)))
            idempotency = WithKey(key, make_answer)
            try:
                view(*args, idempotency=idempotency, **kwargs)
            except Repeated as repeated:
                return _respond(repeated.answer, replayed=True)
            except (KeyMismatch, KeyInUse, DatabaseRestored):
                raise
            except DomainError as error:
                return _refuse(key, error)
            if idempotency.answer is None:
                raise RuntimeError(f"{view.__name__} did not pass `idempotency` to its use case")
            return _respond(idempotency.answer)

        return repeatable

    return decorate


def answer(body_model: BaseModel, status: int, location: str | None = None) -> Answer:
    """An answer with this body, serialized as all answers of the API."""
    body = jsonify(body_model.model_dump(mode="json")).get_data(as_text=True)
    return Answer(status, body, location)


def _key() -> Key | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    # Surrounding spaces are no part of a header's value.
    if not USABLE.fullmatch(text := text.strip(" ")):
        raise InvalidField(HEADER, UNUSABLE)
    return Key(caller().owner, text, _fingerprint())


def _fingerprint() -> str:
    """A digest of method, path and body; the body's layout does not matter."""
    body = request.get_data()
    if takes_body():
        body = json.dumps(request.get_json(), sort_keys=True).encode()
    content = b"\n".join([request.method.encode(), request.path.encode(), body])
    return hashlib.sha256(content).hexdigest()


def _refuse(key: Key, error: DomainError) -> Response:
    refusal = refuse(error)
    try:
        kept = Answer(refusal.status_code, refusal.get_data(as_text=True))
        keep(current.database(), key, kept)
    except Repeated as repeated:
        return _respond(repeated.answer, replayed=True)
    return refusal


def _respond(reply: Answer, *, replayed: bool = False) -> Response:
    media_type = MEDIA_TYPE if reply.status >= 400 else "application/json"
    response = Response(reply.body, reply.status, content_type=media_type)
    if reply.location is not None:
        response.headers["Location"] = reply.location
    if replayed:
        response.headers[REPLAYED] = "true"
    return response
