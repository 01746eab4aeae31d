"""The web application: an admin panel, an API, and the services below both."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiflask import APIFlask

    from webapp.settings import Settings


def create_app(settings: "Settings") -> "APIFlask":
    """The application that serves the panel and the API; it connects when it is asked."""
    # Imported here: jobs, commands and `make run` use parts of this package and serve no page.
    from webapp import application

    return application.create_app(settings)
