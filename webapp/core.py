"""The common parts of the applications for pages and for commands."""

from typing import TYPE_CHECKING

from flask import Flask

from webapp.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from webapp.db.session import Database
    from webapp.services import Services


def create_core(settings: Settings) -> Flask:
    """An application for commands, which serves nothing and connects when needed."""
    app = Flask("paratia", root_path=str(PROJECT_ROOT), static_folder=None)
    configure(app, settings)
    return app


def configure(app: Flask, settings: Settings) -> None:
    """Bind the application to its settings."""
    app.config["SECRET_KEY"] = settings.signing_key
    app.config["SECRET_KEY_FALLBACKS"] = list(settings.secret_key_fallbacks)
    app.extensions["settings"] = settings


# The functions below import when they are called: tables and services take a third of the time of
# a short command, and many commands need few of them.


def database_of(app: Flask) -> "Database":
    """The application's database, made at the first call; it connects at its first use."""
    if "database" not in app.extensions:
        from webapp.db.engine import engine_options, prepare_engine
        from webapp.db.session import Database
        from webapp.extensions import db

        address = app.extensions["settings"].database_address
        app.config["SQLALCHEMY_DATABASE_URI"] = address
        app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(address)
        db.init_app(app)
        with app.app_context():
            prepare_engine(db.engine)
            app.extensions["database"] = Database(db.engine)
    database: Database = app.extensions["database"]
    return database


def services_of(app: Flask) -> "Services":
    """The application's services, made at the first call."""
    if "services" not in app.extensions:
        from webapp.services import Services

        services = Services(app.extensions["settings"], database_of(app))
        app.extensions |= {"services": services, "job_queue": services.job_queue}
    shared: Services = app.extensions["services"]
    return shared


def init_migrations(app: Flask) -> None:
    """Add `flask db …` with its database."""
    from flask_migrate import Migrate

    import webapp.auth.models  # noqa: F401  tables that no service uses
    from webapp.extensions import db

    services_of(app)
    # Alembic interpolates a lone % in a path. (With one, its alembic.ini is not found, and not
    # needed: it only names new migrations.)
    migrations = str(PROJECT_ROOT / "migrations").replace("%", "%%")
    Migrate(render_as_batch=True, compare_type=True).init_app(app, db, directory=migrations)
