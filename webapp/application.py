"""The application that serves the panel and the API."""

from apiflask import APIFlask

from webapp import api, auth, core, health
from webapp.admin import panel
from webapp.auth.guard import csrf
from webapp.db import deadline, safe_methods
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
    """The application, bound to its settings. It opens no connection before it is asked."""
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
    core.configure(app, settings)
    app.config.update(
        OPENAPI_VERSION="3.1.0",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        WTF_CSRF_CHECK_DEFAULT=False,
        # The last one signs; all are accepted.
        WTF_CSRF_SECRET_KEY=[*settings.secret_key_fallbacks, settings.signing_key],
        # A form lives as long as the session that its token belongs to.
        WTF_CSRF_TIME_LIMIT=None,
        MAX_CONTENT_LENGTH=4 * 1024 * 1024,
    )
    core.services_of(app)
    core.init_migrations(app)
    deadline.init_app(app)
    safe_methods.init_app(app)
    proxies.init_app(app, settings)
    paths.init_app(app)
    compression.init_app(app)
    languages.init_app(app)
    assets.init_app(app)
    csrf.init_app(app)
    request_log.init_app(app)
    headers.init_app(app)
    auth.init_app(app, settings)
    panel.init_app(app, settings)
    api.init_app(app)
    health.init_app(app)
    error_pages.init_app(app)
    return app
