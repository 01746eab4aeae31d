"""Repeats of a POST: whoever sends an `Idempotency-Key` gets one effect, and one answer."""

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
from webapp.errors import DomainError, InvalidField, KeyInUse, KeyMismatch
from webapp.http.problems import MEDIA_TYPE
from webapp.idempotency import WITHOUT_KEY, Answer, Key, Repeated, WithKey

HEADER = "Idempotency-Key"
REPLAYED = "Idempotent-Replayed"
MAX_LENGTH = 255
USABLE = re.compile(rf"[\x20-\x7e]{{1,{MAX_LENGTH}}}")
UNUSABLE = (
    f"must be 1 to {MAX_LENGTH} printable ASCII characters: send a new UUID for each action, "
    "and the same one when you repeat it"
)

View = Callable[..., Any]


def honours_keys(answered: Callable[[Any], Answer]) -> Callable[[View], View]:
    """Make a POST repeatable; stands right above the view, below APIFlask's decorators.

    The view takes the argument `once`, hands it on to its use case, and returns what that
    returns; `answered` makes the client's answer of it, within the use case's transaction.
    Refusals of the domain are kept too; what fails before or beside it (credentials, the body,
    an outage) is not, so a repeat tries again.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def repeatable(*args: Any, **kwargs: Any) -> Response:
            key = _key()
            if key is None:
                return _respond(answered(view(*args, idempotency=WITHOUT_KEY, **kwargs)))
            idempotency = WithKey(key, answered)
            try:
                view(*args, idempotency=idempotency, **kwargs)
            except Repeated as repeated:
                return _respond(repeated.answer, replayed=True)
            except (KeyMismatch, KeyInUse):
                raise
            except DomainError as error:
                return _refuse(key, error)
            if idempotency.answer is None:
                raise RuntimeError(f"{view.__name__} did not hand `once` to its use case")
            return _respond(idempotency.answer)

        return repeatable

    return decorate


def answer(told: BaseModel, status: int, location: str | None = None) -> Answer:
    """An answer with this body, as every answer of the API is written."""
    body = jsonify(told.model_dump(mode="json")).get_data(as_text=True)
    return Answer(status, body, location)


def _key() -> Key | None:
    text = request.headers.get(HEADER)
    if text is None:
        return None
    # Spaces around it are no part of a header's value.
    if not USABLE.fullmatch(text := text.strip(" ")):
        raise InvalidField(HEADER, UNUSABLE)
    return Key(caller().owner, text, _fingerprint())


def _fingerprint() -> str:
    """What was asked for, as a digest: method, path, and the body however it is laid out."""
    body = request.get_data()
    if takes_body():
        body = json.dumps(request.get_json(), sort_keys=True).encode()
    asked = b"\n".join([request.method.encode(), request.path.encode(), body])
    return hashlib.sha256(asked).hexdigest()


def _refuse(key: Key, error: DomainError) -> Response:
    refusal = refuse(error)
    try:
        current.services().idempotency_keys.keep(
            key, Answer(refusal.status_code, refusal.get_data(as_text=True))
        )
    except Repeated as repeated:
        return _respond(repeated.answer, replayed=True)
    return refusal


def _respond(told: Answer, *, replayed: bool = False) -> Response:
    media_type = MEDIA_TYPE if told.status >= 400 else "application/json"
    response = Response(told.body, told.status, content_type=media_type)
    if told.location is not None:
        response.headers["Location"] = told.location
    if replayed:
        response.headers[REPLAYED] = "true"
    return response
