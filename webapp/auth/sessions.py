"""Sessions that can be ended on the server, whatever cookies somebody kept a copy of."""

import uuid

from flask import Flask, current_app, g, request, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import user_logged_out
from sqlalchemy import update

from webapp.auth.models import User
from webapp.database import Database, utc_now
from webapp.extensions import db
from webapp.paths import cookie_path
from webapp.requests import request_id
from webapp.tenants import audit
from webapp.tenants.actors import Actor, Via


class PanelSessions(SecureCookieSessionInterface):
    """Session cookies that are Secure over TLS, and still work on http://127.0.0.1."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether this very request came over TLS."""
        return request.is_secure

    def get_cookie_path(self, app: Flask) -> str:
        """Where this very request found the application."""
        return cookie_path()


def new_session_key() -> str:
    """A key for `User.fs_uniquifier` that no older cookie holds."""
    return uuid.uuid4().hex


def init_app(app: Flask) -> None:
    """Use these sessions, and end a user's sessions at logout."""
    app.session_interface = PanelSessions()
    user_logged_out.connect(_end_sessions, app)


def begin_session(user: User) -> None:
    """Forget what this visitor's cookie held, before logging the user in.

    Sessions of the same user elsewhere go on: two on call may share an account, and one person
    has more than one screen. Logging out ends them all.
    """
    _change(user, "user.login", logged_in_at=utc_now())
    session.clear()
    g.pop("csrf_token", None)


def _end_sessions(_app: Flask, user: object, **_: object) -> None:
    if isinstance(user, User):
        _change(user, "user.logout", fs_uniquifier=new_session_key())


def _change(user: User, action: str, **values: object) -> None:
    database: Database = current_app.extensions["database"]
    # Not known as the one who makes this request yet, or not any more.
    actor = Actor(f"user:{user.email}", Via.PANEL, request.remote_addr, request_id())
    with database.transaction() as writing:
        writing.execute(update(User).where(User.id == user.id).values(**values))
        deed = audit.write(writing, actor=actor, action=action, target=f"user {user.email}")
    audit.announce(deed)
    # The session that read the user may still see the state of before.
    db.session.rollback()
    db.session.refresh(user)
