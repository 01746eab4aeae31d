"""The web application: an admin panel, an API, and the services below both."""

from apiflask import APIFlask

from webapp import admin, api, auth, extensions, health
from webapp.db import deadline, safe_methods
from webapp.db.engine import engine_options, prepare_engine
from webapp.db.session import Database
from webapp.http import (
    assets,
    compression,
    error_pages,
    headers,
    languages,
    paths,
    proxies,
    request_log,
)
from webapp.settings import PROJECT_ROOT, Settings


def create_app(settings: Settings) -> APIFlask:
    """The application, bound to its settings; it opens no connection yet."""
    app = APIFlask(
        "paratia",
        title="Paratia",
        version="1",
        spec_path=None,
        docs_path=None,
        root_path=str(PROJECT_ROOT),
        template_folder=str(PROJECT_ROOT / "templates"),
        static_folder=str(PROJECT_ROOT / "static"),
    )
    _configure(app, settings)
    _init_database(app, settings)
    _init_services(app, settings)
    deadline.init_app(app)
    safe_methods.init_app(app)
    proxies.init_app(app, settings)
    paths.init_app(app)
    compression.init_app(app)
    languages.init_app(app)
    assets.init_app(app)
    extensions.csrf.init_app(app)
    request_log.init_app(app)
    headers.init_app(app)
    auth.init_app(app, settings)
    admin.init_app(app, settings)
    api.init_app(app)
    health.init_app(app)
    error_pages.init_app(app)
    return app


def _configure(app: APIFlask, settings: Settings) -> None:
    app.config.update(
        SECRET_KEY=settings.signing_key,
        OPENAPI_VERSION="3.1.0",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        # A form lives as long as the session that its token belongs to.
        WTF_CSRF_TIME_LIMIT=None,
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
    )
    app.extensions["settings"] = settings


def _init_database(app: APIFlask, settings: Settings) -> None:
    app.config["SQLALCHEMY_DATABASE_URI"] = settings.database_address
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(settings.database_address)
    extensions.db.init_app(app)
    with app.app_context():
        prepare_engine(extensions.db.engine)
        app.extensions["database"] = Database(extensions.db.engine)
    # Alembic reads a lone % as the start of a placeholder. With %% it does not find alembic.ini,
    # which is needed only to name new migrations.
    migrations = str(PROJECT_ROOT / "migrations").replace("%", "%%")
    extensions.migrate.init_app(app, extensions.db, directory=migrations)


def _init_services(app: APIFlask, settings: Settings) -> None:
    from webapp.services import build_services

    services = build_services(settings, app.extensions["database"])
    app.extensions["services"] = services
    app.extensions["job_queue"] = services.job_queue
