"""Applications on real databases, and visitors who use them as a browser does."""

import itertools
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import pytest
from apiflask import APIFlask
from flask_migrate import upgrade
from sqlalchemy import Engine, Select, event
from werkzeug.test import TestResponse

from webapp import create_app
from webapp.auth.roles import Role
from webapp.auth.sessions import PanelSessions
from webapp.auth.tokens import create_token
from webapp.auth.users import create_user
from webapp.db.session import Database
from webapp.extensions import db
from webapp.http.cookies import cookie_names
from webapp.models.audit import Actor, Via
from webapp.settings import Settings

Row = TypeVar("Row")
# What SQLite's file is called in the product's folder.
DATABASE = "paratia.db"
PASSWORD = "correct horse battery"
SETUP = Actor("cli", Via.CLI, "test@localhost")
SECRET_KEY = "for these tests and nothing else"
EACH_DATABASE = ("sqlite", "postgresql")
ON_EACH_DATABASE = pytest.mark.parametrize("make_app", EACH_DATABASE, indirect=True)
# Makes an application with these settings.
MakeApp = Callable[..., APIFlask]
CSRF_FIELD = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


def migrated_app(settings: Settings) -> APIFlask:
    """An application with its database; to one of SQLite in its own folder, a file is copied."""
    if settings.database_url is None and not (settings.var_dir / DATABASE).exists():
        place_database(settings.var_dir)
        return create_app(settings)
    return _upgraded_app(settings)


def _upgraded_app(settings: Settings) -> APIFlask:
    app = create_app(settings)
    with app.app_context():
        upgrade()
    return app


def place_database(var_dir: Path) -> None:
    """Put a migrated SQLite database there, which holds no rows."""
    var_dir.mkdir(parents=True, exist_ok=True)
    (var_dir / DATABASE).write_bytes(_migrated_file())


@cache
def _migrated_file() -> bytes:
    """A database's file: to migrate one takes longer than most tests."""
    with TemporaryDirectory() as folder:
        close(_upgraded_app(settings_in(Path(folder))))
        return Path(folder, DATABASE).read_bytes()


def close(app: APIFlask) -> None:
    """Close the application's connections to its database."""
    with app.app_context():
        db.engine.dispose()


def settings_in(var_dir: Path, **values: Any) -> Settings:
    """Settings that find nothing on this machine but what they are given."""
    return Settings(var_dir=var_dir, **values)


def database_named(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings for a migrated database of the kind that the fixture's parameter names."""
    if getattr(request, "param", "sqlite") == "sqlite":
        return {}
    make = request.getfixturevalue("migrated_database")
    return {"database_url": make(), "secret_key": SECRET_KEY}


_addresses = itertools.count(1)


def new_address() -> str:
    number = next(_addresses)
    return f"198.18.{number // 250}.{number % 250 + 1}"


def database_of(app: APIFlask) -> Database:
    database: Database = app.extensions["database"]
    return database


def add_user(app: APIFlask, role: Role = Role.VIEWER, email: str | None = None) -> str:
    """A user with `PASSWORD`; returns the e-mail address."""
    email = email or f"{role}-{secrets.token_hex(4)}@example.test"
    with app.app_context():
        create_user(database_of(app), email, role, PASSWORD, actor=SETUP)
    return email


def add_token(app: APIFlask, role: Role = Role.VIEWER, name: str | None = None) -> str:
    with app.app_context():
        name = name or f"t-{secrets.token_hex(4)}"
        return create_token(database_of(app), name, role, actor=SETUP)


@contextmanager
def statements(engine: Engine) -> Iterator[list[str]]:
    """The statements that are sent while the block runs."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield seen
    event.remove(engine, "before_cursor_execute", note)


class Rows:
    """The rows behind an application, read and changed past the product."""

    def __init__(self, app: APIFlask) -> None:
        self.app = app

    @property
    def database(self) -> Database:
        return database_of(self.app)

    @property
    def engine(self) -> Engine:
        with self.app.app_context():
            return db.engine

    def store(self, *rows: object) -> None:
        """Add the rows, in place of those with the same keys."""
        with self.database.transaction() as session:
            for row in rows:
                session.merge(row)

    def execute(self, statement: Any) -> None:
        with self.database.transaction() as session:
            session.execute(statement)

    def rows(self, chosen: Select[tuple[Row]]) -> list[Row]:
        with self.database.reading() as session:
            return list(session.scalars(chosen))

    @contextmanager
    def counted(self) -> Iterator[list[str]]:
        """The statements that the application sends while the block runs."""
        with statements(self.engine) as seen:
            yield seen


class Visitor(Rows):
    """One browser: keeps cookies, sends the CSRF token of the page it looked at.

    It comes from an address of its own, so that no test uses up another's attempts to log in.
    """

    def __init__(
        self,
        app: APIFlask,
        address: str | None = None,
        scheme: str = "http",
        host: str = "localhost",
    ) -> None:
        super().__init__(app)
        self.client = app.test_client()
        self.environ = {"REMOTE_ADDR": address or new_address()}
        self._base = f"{scheme}://{host}"

    def get(self, path: str, **options: Any) -> TestResponse:
        return self._open(path, method="GET", **options)

    def page(self, path: str, **options: Any) -> str:
        """The text of the page."""
        return self.get(path, **options).text

    def post(self, path: str, data: dict[str, str] | None = None, **options: Any) -> TestResponse:
        """POST of exactly this form: add `csrf_token` where it is wanted."""
        return self._open(path, method="POST", data=data or {}, **options)

    def send(self, path: str, **fields: object) -> int:
        """POST of a form with the panel's CSRF token; the answer's status."""
        form = {name: str(value) for name, value in fields.items()}
        return self.post(path, form | {"csrf_token": self.csrf_token("/logout")}).status_code

    def csrf_token(self, page: str = "/login") -> str:
        found = CSRF_FIELD.search(self.page(page))
        assert found, f"no CSRF token on {page}"
        return found.group(1)

    def login(self, email: str, password: str = PASSWORD, **fields: str) -> TestResponse:
        token = self.csrf_token()
        form = {"email": email, "password": password, "csrf_token": token, **fields}
        return self.post("/login", form, headers=self.referer())

    def enter(self, role: Role = Role.VIEWER) -> str:
        """Log in as a new user of this role; returns their e-mail address."""
        email = add_user(self.app, role)
        assert self.login(email).status_code == 302
        return email

    def logout(self) -> TestResponse:
        token = self.csrf_token("/logout")
        return self.post("/logout", {"csrf_token": token}, headers=self.referer())

    def session_cookie(self) -> str:
        cookie = self.client.get_cookie(self._cookie_name("session"))
        assert cookie is not None
        return cookie.value

    def age_session(self, *, began_s: float = 0, seen_s: float = 0) -> None:
        """Put the beginning, and the last page, of the session so many seconds back."""

        def age(session: dict[str, Any]) -> None:
            session["began"] -= began_s
            session["seen"] -= seen_s

        self.change_session(age)

    def change_session(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change what the session's cookie holds, as only the signing key can."""
        settings: Settings = self.app.extensions["settings"]
        serializer = PanelSessions(settings).get_signing_serializer(self.app)
        assert serializer is not None
        session = serializer.loads(self.session_cookie())
        change(session)
        self.steal(serializer.dumps(session))

    def steal(self, session_cookie: str) -> None:
        self.client.set_cookie(self._cookie_name("session"), session_cookie)

    def is_logged_in(self) -> bool:
        return self.get("/logout").status_code == 200

    def referer(self) -> dict[str, str]:
        """What a form that was opened on this site sends along."""
        return {"Referer": f"{self._base}/login"}

    def share_cookies(self, other: "Visitor") -> None:
        """Be another tab of the other's browser, which may stand before another application."""
        self.client._cookies = other.client._cookies

    def cookie_names(self) -> set[str]:
        return {cookie.key for cookie in (self.client._cookies or {}).values()}

    def _cookie_name(self, what: str) -> str:
        with self.app.test_request_context(base_url=self._base):
            return cookie_names(what)[0]

    def _open(self, path: str, **options: Any) -> TestResponse:
        return self.client.open(
            path, base_url=self._base, environ_overrides=self.environ, **options
        )
