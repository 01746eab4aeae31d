"""What the applications for pages and for commands have in common."""

from typing import TYPE_CHECKING

from flask import Flask

from webapp.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from webapp.database import Database
    from webapp.domain import Domain


def create_core(settings: Settings) -> Flask:
    """An application for commands. It serves nothing, and opens what a command asks for."""
    app = Flask("paratia", root_path=str(PROJECT_ROOT), static_folder=None)
    configure(app, settings)
    return app


def configure(app: Flask, settings: Settings) -> None:
    """Bind the application to its settings."""
    app.config["SECRET_KEY"] = settings.signing_key
    app.extensions["settings"] = settings


# What follows is imported when it is called: the tables and use cases take a third of the time
# of a short command, and many need few of them.


def database_of(app: Flask) -> "Database":
    """The application's database, bound at the first call; it connects when it is asked."""
    if "database" not in app.extensions:
        from webapp.database import Database, engine_options, prepare_engine
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


def domain_of(app: Flask) -> "Domain":
    """The application's use cases, made at the first call."""
    if "domain" not in app.extensions:
        from webapp.domain import build_domain

        domain = build_domain(app.extensions["settings"], database_of(app))
        app.extensions |= {"domain": domain, "doorbell": domain.doorbell}
    made: Domain = app.extensions["domain"]
    return made


def init_migrations(app: Flask) -> None:
    """Add `flask db …`, and bind the database that it works on."""
    from flask_migrate import Migrate

    import webapp.auth.models  # noqa: F401  tables that no use case asks for
    from webapp.extensions import db

    domain_of(app)
    # Alembic takes a lone % for the beginning of a name to fill in. (Where there is one, its
    # alembic.ini is not found and not missed: it says how new migrations are named.)
    migrations = str(PROJECT_ROOT / "migrations").replace("%", "%%")
    Migrate(render_as_batch=True, compare_type=True).init_app(app, db, directory=migrations)
