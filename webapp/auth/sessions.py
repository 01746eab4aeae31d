"""Sessions that end on the server, also for copies of a cookie.

They end at the logout, after `SESSION_IDLE` without a page, and `SESSION_LIFETIME` after the login
in any case. The signed cookie holds the times of the login and of the last page.
"""

import time
import uuid
from typing import Any

from flask import Flask, Request, Response, current_app, g, request, session
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface, SessionMixin
from flask_login import user_logged_out
from itsdangerous import BadSignature
from sqlalchemy import update

from webapp.audit import log as audit
from webapp.auth.guard import OPEN_ENDPOINTS
from webapp.auth.models import User
from webapp.db.session import Database
from webapp.db.types import utc_now
from webapp.extensions import db
from webapp.http.cookies import cookie_names, read_cookies
from webapp.http.paths import cookie_path
from webapp.http.request_log import request_id
from webapp.models.audit import Actor, Via
from webapp.settings import Settings

# Keys of the session: Unix times in seconds; anonymous sessions have the last one alone.
BEGAN, SEEN, WRITTEN = "began", "seen", "written"
# The cookie is rewritten once this share of the idle time has passed, not with every page.
NOTED_AFTER = 0.01


class PanelSession(SecureCookieSession):
    """`is_of_older_key`: another key than the present one has signed it, or another instance."""

    is_of_older_key = False


class PanelSessions(SecureCookieSessionInterface):
    """Session cookies that are Secure over TLS, and work on http://127.0.0.1 as well."""

    session_class = PanelSession

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

    def open_session(self, app: Flask, request: Request) -> PanelSession:
        """The session in the cookie; an empty one where it has ended.

        While instances sign with different keys, each writes a cookie of its own: the last counts.
        """
        found = [self._load(app, value) for value in read_cookies("session")]
        last = max(found, key=lambda data: data.get(WRITTEN, 0.0))
        session = self.session_class({} if self._is_over(last) else last)
        session.is_of_older_key = last is not found[0]
        return session

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Write the cookie of a changed session."""
        if session.modified:
            session[WRITTEN] = time.time()
        super().save_session(app, session, response)

    def note_page(self) -> None:
        """Restart the idle time: a user requests a page or sends a form.

        A session of an older key is signed with the present one.
        """
        if SEEN not in session:
            return
        now = time.time()
        if (
            getattr(session, "is_of_older_key", False)
            or now - session[SEEN] > NOTED_AFTER * self._idle_s
        ):
            session[SEEN] = now

    def _load(self, app: Flask, value: str) -> dict[str, Any]:
        serializer = self.get_signing_serializer(app)
        try:
            return dict(serializer.loads(value)) if serializer else {}
        except BadSignature:
            return {}

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
