"""The salt of password hashes: generated once, stored in the database."""

import secrets

from flask import current_app
from sqlalchemy.exc import IntegrityError
from werkzeug.local import LocalProxy

from webapp.auth.models import StoredSecret
from webapp.db.session import Database

NAME = "password_salt"


def stored_secret(database: Database, name: str) -> str:
    """The secret of this name, generated when missing; of concurrent makers, one wins."""
    value = _read(database, name)
    if value is None:
        try:
            with database.transaction() as session:
                session.add(StoredSecret(name=name, value=secrets.token_urlsafe(32)))
        except IntegrityError:
            pass
        value = _read(database, name)
    if value is None:
        raise RuntimeError(f"the secret {name} was stored and is gone")
    return value


def _read(database: Database, name: str) -> str | None:
    with database.reading() as session:
        secret = session.get(StoredSecret, name)
        return secret.value if secret else None


def _password_salt() -> str:
    extensions = current_app.extensions
    if NAME not in extensions:
        extensions[NAME] = stored_secret(extensions["database"], NAME)
    salt: str = extensions[NAME]
    return salt


# Read at first use: the application starts before its tables exist.
password_salt = LocalProxy(_password_salt)
