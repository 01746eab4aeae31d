"""A submitted form that was refused for its session: its input is kept, and can be sent again.

A session may end, or begin anew in another tab, while a form is open. Nothing is done then; a page
shows the input with a button that sends it, with a token of the new session. Only for forms of this
origin: the button must not send what another site has prepared.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_security import LoginForm
from flask_wtf.csrf import CSRFError

from webapp.auth.login_loops import REFUSED_BEFORE, is_refused_again
from webapp.auth.principal import current_principal
from webapp.http.error_pages import NOT_UNDERSTOOD, error_page
from webapp.http.paths import API_PREFIX, is_here
from webapp.http.problems import answer_http_error

CSRF_SAYS = _l(
    "The form was too old or did not come from this site, so nothing was changed. "
    "Go back, reload the page and send it again."
)
REFERER_SAYS = _l(
    "The form did not come from the address that this server is asked by, so nothing was changed. "
    "A proxy in front must pass on the host with its port, and the scheme; the log tells both."
)
LOGIN = "security.login"
FIELD = "kept"
MAX_CHARACTERS = 100_000
# Never kept: each page has its own token, and no page may hold a password.
LEFT_OUT = frozenset({"csrf_token", "password", FIELD, REFUSED_BEFORE})
# Labels of the fields that users type; others are not shown.
LABELS = {
    "name": _l("Name"),
    "slug": _l("Slug"),
    "reason": _l("Reason"),
    "typed": _l("Typed to go on"),
}


def init_app(app: Flask) -> None:
    """Handle forms whose CSRF token was refused."""
    app.register_error_handler(CSRFError, _answer_csrf_error)


@dataclass(frozen=True)
class KeptForm:
    """The address and the fields of a submitted form."""

    path: str
    fields: list[list[str]]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The fields that a user types, with their labels."""
        return [
            (str(LABELS[name]), value) for name, value in self.fields if value and name in LABELS
        ]

    @property
    def text(self) -> str:
        """The form as the value of a hidden field of the login."""
        return json.dumps([self.path, self.fields])


def sent_form() -> KeptForm | None:
    """The form of this request; None where it cannot or must not be kept."""
    has_form = request.method == "POST" and request.mimetype == "application/x-www-form-urlencoded"
    if not has_form or "HX-Request" in request.headers or not _is_of_this_origin():
        return None
    fields = [[*pair] for pair in request.form.items(multi=True) if pair[0] not in LEFT_OUT]
    kept = KeptForm(request.script_root + request.full_path.rstrip("?"), fields)
    return kept if len(kept.text) <= MAX_CHARACTERS else None


def kept_over_login() -> KeptForm | None:
    """The form that came with this login; None without one that leads to this site."""
    try:
        path, fields = json.loads(request.form.get(FIELD, ""))
        pairs = [[str(name), str(value)] for name, value in fields]
    except (ValueError, TypeError):
        return None
    return KeptForm(path, pairs) if is_here(str(path)) else None


def offer(kept: KeptForm, status: int) -> Response:
    """The page that sends the form again when its button is pressed."""
    return Response(render_template("security/send_again.html", kept=kept), status)


def login_page(*, kept: KeptForm | None, status: int, is_stale: bool = False) -> Response:
    """The login page, which carries the form; `is_stale`: the login form itself was refused."""
    form = LoginForm(formdata=None, email=request.form.get("email") if is_stale else None)
    page = render_template(
        "security/login_user.html",
        login_user_form=form,
        kept=kept,
        is_stale=is_stale,
        is_refused_again=is_stale and is_refused_again(),
    )
    return Response(page, status)


def _is_of_this_origin() -> bool:
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    try:
        origin = urlsplit(request.headers.get("Origin") or request.referrer or "")
    except ValueError:
        return False
    return origin.netloc == request.host


def _answer_csrf_error(error: CSRFError) -> ResponseReturnValue:
    if request.path.startswith(API_PREFIX):
        return answer_http_error(error)
    # With a misconfigured proxy, sending it again would be refused too.
    is_referer = "referrer" in error.description
    if not is_referer and (page := _offer_again()):
        return page
    title, _says = NOT_UNDERSTOOD
    return error_page(400, title, REFERER_SAYS if is_referer else CSRF_SAYS)


def _offer_again() -> Response | None:
    if request.endpoint == LOGIN:
        if current_principal() is not None:
            return redirect(url_for("admin.index"))  # type: ignore[return-value]
        return login_page(kept=kept_over_login(), status=400, is_stale=True)
    form = sent_form()
    return offer(form, 400) if form else None
