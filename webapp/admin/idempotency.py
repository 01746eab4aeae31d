"""Idempotency of forms: a double click, or a page sent twice, has one effect and one answer.

Every form carries a key. The first transaction of its request takes the key, so that key and effect
are committed together; a repeat gets the first answer. Views and services need no code for it.
"""

import hashlib
import json
import re
import secrets
import time
from typing import Any

from flask import Flask, Response, flash, g, redirect, request, session
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage

from webapp import current
from webapp.admin.base import is_fragment
from webapp.auth.principal import carries_token, current_principal
from webapp.db.session import begin_transactions_with
from webapp.db.types import utc_now
from webapp.errors import KeyInUse
from webapp.http.paths import this_page
from webapp.idempotency import Answer, Key, Repeated, WithKey, find, store_answer
from webapp.logs import get_logger

FIELD = "form_key"
USABLE = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)
# Fields that differ between repeats.
IGNORED = frozenset({"csrf_token", FIELD})
# A repeat waits this long for the first answer.
WAIT_S = 4.0
ASK_AGAIN_S = 0.05
# A repeat within this time is a double click.
SOON_S = 30.0

log = get_logger(__name__)


class FormRepeated(Exception):
    """The form was sent before; nothing is done."""


class WithFormKey:
    """Takes the form's key in the first committed transaction of this request."""

    def __init__(self, key: Key) -> None:
        self.key = key
        self.is_taken = False

    def begin(self, session: Session) -> None:
        """Take the key, once a request; raises FormRepeated where another request has it."""
        if self.is_taken:
            return
        try:
            WithKey(self.key, lambda answer: answer).begin(session)
        except (Repeated, KeyInUse):
            raise FormRepeated from None

    def committed(self) -> None:
        self.is_taken = True


def init_app(app: Flask) -> None:
    """Handle the keys of forms. After the guard, which determines the principal."""
    app.jinja_env.globals["form_key"] = lambda: secrets.token_urlsafe(12)
    app.before_request(_begin)
    app.after_request(_keep_answer)
    app.teardown_request(lambda _error: begin_transactions_with(None))
    app.register_error_handler(FormRepeated, _answer_repeat)


def _begin() -> ResponseReturnValue | None:
    principal = current_principal() if request.method == "POST" else None
    if principal is None or carries_token():
        return None
    form_key = request.form.get(FIELD, "")
    if not USABLE.fullmatch(form_key):
        return None
    digest = _digest()
    key = Key(principal.owner, f"form:{form_key}:{digest}", digest)
    idempotency = g.form_idempotency = WithFormKey(key)
    if find(current.database(), idempotency.key)[0] is not None:
        return _answer_again(g.pop("form_idempotency").key)
    begin_transactions_with(idempotency)
    return None


def _digest() -> str:
    """A digest of the input: a form that is changed and sent again is another request."""
    fields = sorted(pair for pair in request.form.items(multi=True) if pair[0] not in IGNORED)
    files = [(name, file.filename, _content(file)) for name, file in request.files.items()]
    return hashlib.sha256(json.dumps([request.full_path, fields, files]).encode()).hexdigest()


def _content(file: FileStorage) -> str:
    digest = hashlib.file_digest(file.stream, "sha256")  # type: ignore[arg-type]
    file.stream.seek(0)
    return digest.hexdigest()


def _keep_answer(response: Response) -> Response:
    idempotency: WithFormKey | None = g.pop("form_idempotency", None)
    if idempotency is None:
        return response
    begin_transactions_with(None)
    if not idempotency.is_taken:
        # After a 5xx the database may be down, so it is not asked again.
        is_refused = response.status_code < 500
        return (is_refused and _answer_of_first(idempotency.key)) or response
    content = {"flashes": session.get("_flashes", []), "body": None}
    if is_fragment():
        content["body"] = response.get_data(as_text=True)
    answer = Answer(response.status_code, json.dumps(content), response.location)
    try:
        store_answer(current.database(), idempotency.key, answer)
    except SQLAlchemyError as error:
        # The effect is committed; a repeat is told only that it was sent before.
        log.warning("form.answer_not_kept", error=type(error).__name__)
    return response


def _answer_repeat(_error: FormRepeated) -> Response:
    idempotency: WithFormKey = g.pop("form_idempotency")
    begin_transactions_with(None)
    return _answer_again(idempotency.key)


def _answer_of_first(key: Key) -> Response | None:
    """The first request's answer; this one may have been refused only because of it."""
    if find(current.database(), key)[0] is None:
        return None
    session.pop("_flashes", None)
    return _answer_again(key)


def _answer_again(key: Key) -> Response:
    began_at, answer = _await_answer(key)
    content: dict[str, Any] = json.loads(answer.body) if answer else {"flashes": [], "body": None}
    if answer and content["body"] is not None:
        return Response(content["body"], answer.status)
    is_soon = began_at is not None and (utc_now() - began_at).total_seconds() < SOON_S
    if answer and is_soon:
        for category, message in content["flashes"]:
            flash(message, category)
    else:
        flash(_("This form was sent before. Nothing was done again."), "info")
    return redirect((answer and answer.location) or this_page(), 303)  # type: ignore[return-value]


def _await_answer(key: Key) -> Any:
    ends_at = time.monotonic() + WAIT_S
    while True:
        began_at, answer = find(current.database(), key)
        if answer is not None or time.monotonic() > ends_at:
            return began_at, answer
        time.sleep(ASK_AGAIN_S)
