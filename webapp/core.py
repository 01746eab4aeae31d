"""What the applications for pages and for commands have in common."""

from typing import TYPE_CHECKING

from flask import Flask

from webapp.settings import PROJECT_ROOT, Settings

if TYPE_CHECKING:
    from webapp.db.session import Database
    from webapp.services import Services


def create_core(settings: Settings) -> Flask:
    """An application for commands. It serves nothing, and opens what a command asks for."""
    app = Flask("paratia", root_path=str(PROJECT_ROOT), static_folder=None)
    configure(app, settings)
    return app


def configure(app: Flask, settings: Settings) -> None:
    """Bind the application to its settings."""
    app.config["SECRET_KEY"] = settings.signing_key
    app.extensions["settings"] = settings


# What follows is imported when it is called: the tables and services take a third of the time
# of a short command, and many need few of them.


def database_of(app: Flask) -> "Database":
    """The application's database, bound at the first call; it connects when it is asked."""
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
        from webapp.services import build_services

        services = build_services(app.extensions["settings"], database_of(app))
        app.extensions |= {"services": services, "job_queue": services.job_queue}
    made: Services = app.extensions["services"]
    return made


def init_migrations(app: Flask) -> None:
    """Add `flask db …`, and bind the database that it works on."""
    from flask_migrate import Migrate

    import webapp.auth.models  # noqa: F401  tables that no service asks for
    from webapp.extensions import db

    services_of(app)
    # Alembic takes a lone % for the beginning of a name to fill in. (Where there is one, its
    # alembic.ini is not found and not missed: it says how new migrations are named.)
    migrations = str(PROJECT_ROOT / "migrations").replace("%", "%%")
    Migrate(render_as_batch=True, compare_type=True).init_app(app, db, directory=migrations)
