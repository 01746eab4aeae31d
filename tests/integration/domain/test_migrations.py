"""Migrations: from nothing to the models and back, on both databases."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from apiflask import APIFlask
from flask_migrate import downgrade, upgrade
from sqlalchemy import inspect

from tests.factories import settings_for
from webapp import create_app
from webapp.extensions import db


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[APIFlask]:
    """The application on an empty database."""
    url = f"sqlite:///{tmp_path}/empty.db"
    if request.param == "postgresql":
        fresh: Callable[[], str] = request.getfixturevalue("fresh_database")
        url = fresh()
    app = create_app(settings_for(tmp_path, database_url=url))
    with app.app_context():
        yield app
        db.engine.dispose()


def test_models_and_migrations_are_in_step_when_an_empty_database_is_upgraded(
    app: APIFlask,
) -> None:
    upgrade()
    result = app.test_cli_runner().invoke(args=["db", "check"])
    assert result.exit_code == 0, result.output


def test_nothing_is_left_when_everything_is_downgraded(app: APIFlask) -> None:
    upgrade()
    downgrade(revision="base")
    assert inspect(db.engine).get_table_names() == ["alembic_version"]
    upgrade()
