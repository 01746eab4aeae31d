"""Repeats of a form: a double click, or one page sent twice, has one effect and one answer.

Every form that was drawn carries a key. The first transaction that its request commits takes the
key, so that key and effect are there together or not at all; a repeat is led to where the first one
was. This holds for all forms of the panel, and no view or service has to know of it.
"""

import hashlib
import json
import re
import secrets
import time
from typing import Any

from flask import Flask, Response, current_app, flash, g, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage

from webapp.admin.base import is_fragment
from webapp.auth.principal import carries_token, current_principal
from webapp.db.session import begin_transactions_with
from webapp.db.types import utc_now
from webapp.errors import KeyInUse
from webapp.http.paths import this_page
from webapp.idempotency import Answer, IdempotencyKeys, Key, Repeated, WithKey
from webapp.logs import get_logger

FIELD = "form_key"
USABLE = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
# What differs between two requests that want the same.
NO_PART = frozenset({"csrf_token", FIELD})
# A repeat waits so long for the answer of the first one.
WAIT_S = 4.0
ASK_AGAIN_S = 0.05
# Who sends a form anew after this long did not just press twice.
SOON_S = 30.0

log = get_logger(__name__)


class FormRepeated(Exception):
    """The form was sent before, so nothing is done now."""


class WithFormKey:
    """Takes the form's key with the first transaction of this request that is committed."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.is_taken = False

    def begin(self, session: Session) -> None:
        """Take the key, unless an earlier transaction has.

        Raises:
            FormRepeated: another request took it.
        """
        if self.is_taken:
            return
        try:
            WithKey(self.key, lambda answer: answer).begin(session)
        except (Repeated, KeyInUse):
            raise FormRepeated from None

    def committed(self) -> None:
        """The transaction that took the key was committed."""
        self.is_taken = True


def init_app(app: Flask) -> None:
    """Heed the keys of forms. Must come after the guard, which knows who asks."""
    app.jinja_env.globals["form_key"] = lambda: secrets.token_urlsafe(12)
    app.before_request(_begin)
    app.after_request(_keep_answer)
    app.teardown_request(lambda _error: begin_transactions_with(None))
    app.register_error_handler(FormRepeated, _answer_repeat)


def _begin() -> ResponseReturnValue | None:
    principal = current_principal() if request.method == "POST" else None
    if principal is None or carries_token():
        return None
    sent = request.form.get(FIELD, "")
    if not USABLE.fullmatch(sent):
        return None
    what = _digest()
    idempotency = g.once_by_form = WithFormKey(Key(principal.owner, f"form:{sent}:{what}", what))
    if _repeats().find(idempotency.key)[0] is not None:
        return _answer_again(g.pop("once_by_form").key)
    begin_transactions_with(idempotency)
    return None


def _digest() -> str:
    """What is asked for. Who comes back to a form and changes it asks for something else."""
    fields = sorted(pair for pair in request.form.items(multi=True) if pair[0] not in NO_PART)
    files = [(name, file.filename, _content(file)) for name, file in request.files.items()]
    return hashlib.sha256(json.dumps([request.full_path, fields, files]).encode()).hexdigest()


def _content(file: FileStorage) -> str:
    digest = hashlib.file_digest(file.stream, "sha256")  # type: ignore[arg-type]
    file.stream.seek(0)
    return digest.hexdigest()


def _keep_answer(response: Response) -> Response:
    idempotency: WithFormKey | None = g.pop("once_by_form", None)
    if idempotency is None:
        return response
    begin_transactions_with(None)
    if not idempotency.is_taken:
        # Where the database is down, this must not ask it once more.
        is_refused = response.status_code < 500
        return (is_refused and _answer_of_first(idempotency.key)) or response
    told = {"flashes": session.get("_flashes", []), "body": None}
    if is_fragment():
        told["body"] = response.get_data(as_text=True)
    answer = Answer(response.status_code, json.dumps(told), response.location)
    try:
        _repeats().answer(idempotency.key, answer)
    except SQLAlchemyError as error:
        # The effect is there all the same; a repeat is told no more than that.
        log.warning("form.answer_not_kept", error=type(error).__name__)
    return response


def _answer_repeat(_error: FormRepeated) -> Response:
    idempotency: WithFormKey = g.pop("once_by_form")
    begin_transactions_with(None)
    return _answer_again(idempotency.key)


def _answer_of_first(key: Key) -> Response | None:
    """The answer of the request that has had the effect meanwhile.

    This one may have been refused for just that, before it came to a transaction.
    """
    if _repeats().find(key)[0] is None:
        return None
    session.pop("_flashes", None)
    return _answer_again(key)


def _answer_again(key: Key) -> Response:
    """What the first request was answered with; its messages too, soon after."""
    began_at, answer = _awaited(key)
    told: dict[str, Any] = json.loads(answer.body) if answer else {"flashes": [], "body": None}
    if answer and told["body"] is not None:
        return Response(told["body"], answer.status)
    is_soon = began_at is not None and (utc_now() - began_at).total_seconds() < SOON_S
    if answer and is_soon:
        for category, message in told["flashes"]:
            flash(message, category)
    else:
        flash(_("This form was sent before. Nothing was done again."), "info")
    return redirect((answer and answer.location) or this_page(), 303)  # type: ignore[return-value]


def _awaited(key: Key) -> Any:
    """When the key was taken, and the answer; None for one that does not come."""
    ends_at = time.monotonic() + WAIT_S
    while True:
        began_at, answer = _repeats().find(key)
        if answer is not None or time.monotonic() > ends_at:
            return began_at, answer
        time.sleep(ASK_AGAIN_S)


def _repeats() -> IdempotencyKeys:
    idempotency_keys: IdempotencyKeys = current_app.extensions["services"].idempotency_keys
    return idempotency_keys
