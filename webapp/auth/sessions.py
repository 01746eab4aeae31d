"""Sessions that end on the server, whatever cookies somebody kept a copy of.

They end at the logout, after `SESSION_IDLE` without a page, and `SESSION_LIFETIME` after the login
in any case. The signed cookie says when it began and when a page was last asked for, so both hold
for a copy of it as well.
"""

import time
import uuid

from flask import Flask, Request, current_app, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_login import user_logged_out
from itsdangerous import BadSignature
from sqlalchemy import update

from webapp.audit import log as audit
from webapp.auth.guard import OPEN_ENDPOINTS
from webapp.auth.models import User
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.extensions import db
from webapp.http.cookies import cookie_names, read_cookie
from webapp.http.paths import cookie_path
from webapp.http.request_log import request_id
from webapp.models.audit import Actor, Via
from webapp.settings import Settings

# In the session, both as Unix times in seconds; anonymous ones have neither.
BEGAN, SEEN = "began", "seen"
# The cookie is not written with every page, but once the last page is this much of the idle time
# ago.
NOTED_AFTER = 0.01


class PanelSessions(SecureCookieSessionInterface):
    """Session cookies that are Secure over TLS, and still work on http://127.0.0.1."""

    def __init__(self, settings: Settings) -> None:
        self._idle_s = settings.session_idle
        self._lifetime_s = settings.session_lifetime

    def get_cookie_name(self, app: Flask) -> str:
        """The name in this installation, and on this scheme."""
        return cookie_names("session")[0]

    def get_cookie_path(self, app: Flask) -> str:
        """Where this very request found the application."""
        return cookie_path()

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether this very request came over TLS."""
        return request.is_secure

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session of the cookie; an empty one where it is over."""
        serializer = self.get_signing_serializer(app)
        try:
            kept = serializer.loads(read_cookie("session") or "") if serializer else {}
        except BadSignature:
            kept = {}
        return self.session_class({} if self._is_over(kept) else kept)

    def note_page(self) -> None:
        """Let the idle time begin anew: somebody asks for a page, or sends a form."""
        now = time.time()
        if SEEN in session and now - session[SEEN] > NOTED_AFTER * self._idle_s:
            session[SEEN] = now

    def _is_over(self, kept: dict[str, object]) -> bool:
        if "_user_id" not in kept:
            return False
        began, seen = kept.get(BEGAN), kept.get(SEEN)
        if not isinstance(began, float) or not isinstance(seen, float):
            return True
        now = time.time()
        return now - began > self._lifetime_s or now - seen > self._idle_s


def new_session_key() -> str:
    """A key for `User.fs_uniquifier` that no older cookie holds."""
    return uuid.uuid4().hex


def init_app(app: Flask, settings: Settings) -> None:
    """Use these sessions, and end a user's sessions at logout."""
    sessions = PanelSessions(settings)
    app.session_interface = sessions
    user_logged_out.connect(_end_sessions, app)
    # A page that is left open asks for its live part by itself: that is nobody at work.
    app.before_request(lambda: None if _asks_by_itself() else sessions.note_page())


def begin_session(user: User) -> None:
    """Forget what this visitor's cookie held, before logging the user in.

    Sessions of the same user elsewhere go on: two on call may share an account, and one person
    has more than one screen. Logging out ends them all.
    """
    _change(user, "user.login", logged_in_at=utc_now())
    session.clear()
    session[BEGAN] = session[SEEN] = time.time()
    g.pop("csrf_token", None)


def _asks_by_itself() -> bool:
    if request.endpoint in OPEN_ENDPOINTS:
        return True
    return request.method == "GET" and request.headers.get("HX-Request") == "true"


def _end_sessions(_app: Flask, user: object, **_: object) -> None:
    if isinstance(user, User):
        _change(user, "user.logout", fs_uniquifier=new_session_key())


def _change(user: User, action: str, **values: object) -> None:
    database: Database = current_app.extensions["database"]
    # Not known as the one who makes this request yet, or not any more.
    actor = Actor(f"user:{user.email}", Via.PANEL, request.remote_addr, request_id())
    with database.transaction() as writing:
        writing.execute(update(User).where(User.id == user.id).values(**values))
        audit.record(writing, actor=actor, action=action, target=f"user {user.email}")
    # The session that read the user may still see the earlier state.
    db.session.rollback()
    db.session.refresh(user)
