"""Every error as a small page, or below the API as problem+json; never a traceback."""

from collections.abc import Mapping
from types import MappingProxyType

from flask import Flask, Response, current_app, g, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from webapp.db.refusals import said_refusal
from webapp.db.schema_revision import SchemaBehind, SchemaState
from webapp.http.headers import bare_answer
from webapp.http.paths import API_PREFIX
from webapp.http.problems import answer_http_error, problem
from webapp.http.request_log import request_id
from webapp.logs import get_logger
from webapp.outages import first_line
from webapp.texts import N_

RETRY_AFTER_S = {429: 60, 503: 5}
NO_DATABASE = N_(
    "The database does not answer. Try again in a few seconds; after a change, "
    "look first whether it was made."
)
NO_WRITES = N_(
    "The database takes no writes at present (%(why)s). Try again in a few seconds; after a "
    "change, look first whether it was made."
)
NOT_UNDERSTOOD = (
    _l("Not understood"),
    _l("The request could not be understood. Go back, reload the page and try again."),
)
# Title and text of each error's page.
PAGES = {
    400: NOT_UNDERSTOOD,
    401: (_l("Not logged in"), _l("Log in first.")),
    403: (
        _l("Not allowed"),
        _l("Your role does not allow this. An admin can give you another one."),
    ),
    404: (
        _l("Not found"),
        _l("There is nothing at this address. What was here may have been removed since."),
    ),
    405: (
        _l("Not this way"),
        _l("This address only takes what a form sends. Go back to the page, and press its button."),
    ),
    413: (
        _l("Too large"),
        _l("What was sent is too large: 4 MB are taken. Nothing was changed; send it in parts."),
    ),
    415: NOT_UNDERSTOOD,
    429: (_l("Too many attempts"), _l("Too many attempts. Wait a minute, then try again.")),
    500: (
        _l("Something went wrong"),
        _l("This is our fault, not yours. It has been logged under the number below."),
    ),
    503: (_l("The database does not answer"), _l(NO_DATABASE)),
}
TAKES_NO_WRITES = _l("The database takes no writes")
SCHEMA_BEHIND = (
    _l("The database is not upgraded yet"),
    _l(
        "Its tables are older than this release. Run %(command)s on the server; "
        "this page works again when that is done."
    ),
)
REVISION_UNKNOWN = (
    _l("The database's revision is not known"),
    _l(
        "Its table alembic_version names none. Run %(command)s on the server, which says what to "
        "do; this page works again when that is done."
    ),
)
log = get_logger(__name__)


def init_app(app: Flask) -> None:
    """Handle all errors. After every other registration of error handlers."""
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(SchemaBehind, _answer_schema_behind)
    # InternalError: the server recovers, or became a read-only replica.
    for kind in (OperationalError, InterfaceError, InternalError, PoolTimeout):
        app.register_error_handler(kind, _answer_database_error)


def _answer_http_error(error: HTTPException) -> ResponseReturnValue:
    if error.response is not None or error.code is None or error.code < 400:
        return error.get_response()
    if request.path.startswith(API_PREFIX):
        return answer_http_error(error)
    if request_ctx.url_adapter is None:
        # Werkzeug refused the host; without one, no page can be built.
        return bare_answer(error.code, request.path)
    headers = {name: value for name, value in error.get_headers() if name != "Content-Type"}
    return error_page(error.code, *PAGES.get(error.code, (error.name, "")), headers)


def _answer_database_error(error: Exception) -> ResponseReturnValue:
    cause, message = getattr(error, "orig", error), first_line(error)
    log.error("database.unavailable", error=type(cause).__name__, message=message, repeats=message)
    refusal = said_refusal(error)
    if request.path.startswith(API_PREFIX):
        detail = NO_WRITES % {"why": refusal.label} if refusal else NO_DATABASE
        retry = {"Retry-After": str(RETRY_AFTER_S[503])}
        return problem(503, "unavailable", detail, headers=retry)
    if refusal:
        return error_page(503, TAKES_NO_WRITES, _(NO_WRITES, why=_(refusal.label)))
    return error_page(503, *PAGES[503])


def _answer_schema_behind(error: SchemaBehind) -> ResponseReturnValue:
    if request.path.startswith(API_PREFIX):
        retry = {"Retry-After": str(RETRY_AFTER_S[503])}
        return problem(503, error.revision.state, str(error), headers=retry)
    if error.revision.state is SchemaState.UNKNOWN:
        title, text = REVISION_UNKNOWN
        return error_page(503, title, text % {"command": "flask doctor"})
    title, text = SCHEMA_BEHIND
    return error_page(503, title, text % {"command": "flask db upgrade"})


def error_page(
    status: int, title: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """The page of an error, with a way back; it needs neither database nor Redis."""
    all_headers = dict(headers)
    if status in RETRY_AFTER_S:
        all_headers.setdefault("Retry-After", str(RETRY_AFTER_S[status]))
    # Without context processors, which would load the user from the database.
    template = current_app.jinja_env.get_template("error.html")
    page = template.render(
        status=status,
        title=title,
        detail=detail,
        principal=g.get("principal"),
        may_repeat=request.method == "GET",
        request_id=request_id(),
    )
    return Response(page, status, all_headers)
