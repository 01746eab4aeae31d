"""Sessions that end on the server, also for copies of a cookie.

They end at the logout, after `SESSION_IDLE` without a page, and `SESSION_LIFETIME` after the login
in any case. The signed cookie holds the times of the login and of the last page.
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

# Keys of the session: Unix times in seconds; anonymous sessions have neither.
BEGAN, SEEN = "began", "seen"
# The cookie is rewritten once this share of the idle time has passed, not with every page.
NOTED_AFTER = 0.01


class PanelSessions(SecureCookieSessionInterface):
    """Session cookies that are Secure over TLS, and work on http://127.0.0.1 as well."""

    def __init__(self, settings: Settings) -> None:
        self._idle_s = settings.session_idle
        self._lifetime_s = settings.session_lifetime

    def get_cookie_name(self, app: Flask) -> str:
        """A name of this installation and scheme."""
        return cookie_names("session")[0]

    def get_cookie_path(self, app: Flask) -> str:
        """The path below which this request found the application."""
        return cookie_path()

    def get_cookie_secure(self, app: Flask) -> bool:
        """True where this request came over TLS."""
        return request.is_secure

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """The session in the cookie; an empty one where it has ended."""
        serializer = self.get_signing_serializer(app)
        try:
            data = serializer.loads(read_cookie("session") or "") if serializer else {}
        except BadSignature:
            data = {}
        return self.session_class({} if self._is_over(data) else data)

    def note_page(self) -> None:
        """Restart the idle time: a user requests a page or sends a form."""
        now = time.time()
        if SEEN in session and now - session[SEEN] > NOTED_AFTER * self._idle_s:
            session[SEEN] = now

    def _is_over(self, data: dict[str, object]) -> bool:
        if "_user_id" not in data:
            return False
        began, seen = data.get(BEGAN), data.get(SEEN)
        if not isinstance(began, float) or not isinstance(seen, float):
            return True
        now = time.time()
        return now - began > self._lifetime_s or now - seen > self._idle_s


def new_session_key() -> str:
    """A value for `User.fs_uniquifier`; older cookies become invalid."""
    return uuid.uuid4().hex


def init_app(app: Flask, settings: Settings) -> None:
    """Use these sessions, and end a user's sessions at the logout."""
    sessions = PanelSessions(settings)
    app.session_interface = sessions
    user_logged_out.connect(_end_sessions, app)
    # An open page refreshes its live part by itself, which is no activity of the user.
    app.before_request(lambda: None if _is_automatic() else sessions.note_page())


def begin_session(user: User) -> None:
    """Clear the visitor's session before the user is logged in.

    Other sessions of the user go on: two people may share an account, and one may use several
    devices. A logout ends them all.
    """
    _change(user, "user.login", logged_in_at=utc_now())
    session.clear()
    session[BEGAN] = session[SEEN] = time.time()
    g.pop("csrf_token", None)


def _is_automatic() -> bool:
    if request.endpoint in OPEN_ENDPOINTS:
        return True
    return request.method == "GET" and request.headers.get("HX-Request") == "true"


def _end_sessions(_app: Flask, user: object, **_: object) -> None:
    if isinstance(user, User):
        _change(user, "user.logout", fs_uniquifier=new_session_key())


def _change(user: User, action: str, **values: object) -> None:
    database: Database = current_app.extensions["database"]
    # Built here: at login and logout the request has no principal.
    actor = Actor(f"user:{user.email}", Via.PANEL, request.remote_addr, request_id())
    with database.transaction() as writing:
        writing.execute(update(User).where(User.id == user.id).values(**values))
        audit.record(writing, actor=actor, action=action, target=f"user {user.email}")
    # The request's read session may still have the old state.
    db.session.rollback()
    db.session.refresh(user)
