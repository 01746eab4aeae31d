"""What was typed into a form that could not be taken: kept, and offered to be sent again.

A session ends, or begins anew in another tab, while a form is open. Nothing is done then, but what
was typed comes back on a page with a button that sends it, with a token of the new session. This is
offered only for a form of this very origin: the button must not do what another site has prepared.
"""

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from flask import Flask, Response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l
from flask_security import LoginForm
from flask_wtf.csrf import CSRFError

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
# Never kept: each page has its own token, and a password belongs into no page.
LEFT_OUT = frozenset({"csrf_token", "password", FIELD})
# What people type, by the name of the field; the others are not shown.
LABELS = {
    "name": _l("Name"),
    "slug": _l("Slug"),
    "reason": _l("Reason"),
    "typed": _l("Typed to go on"),
}


def init_app(app: Flask) -> None:
    """Answer forms whose token was refused."""
    app.register_error_handler(CSRFError, _answer_csrf_error)


@dataclass(frozen=True)
class KeptForm:
    """Where a form was sent, and with what."""

    path: str
    fields: list[list[str]]

    @property
    def shown(self) -> list[tuple[str, str]]:
        """What a human typed, with its label."""
        return [
            (str(LABELS[name]), value) for name, value in self.fields if value and name in LABELS
        ]

    @property
    def text(self) -> str:
        """For a hidden field of the login."""
        return json.dumps([self.path, self.fields])


def sent_form() -> KeptForm | None:
    """The form of this request; None where it cannot be kept, or should not be."""
    has_form = request.method == "POST" and request.mimetype == "application/x-www-form-urlencoded"
    if not has_form or "HX-Request" in request.headers or not _is_of_this_origin():
        return None
    fields = [[*pair] for pair in request.form.items(multi=True) if pair[0] not in LEFT_OUT]
    kept = KeptForm(request.script_root + request.full_path.rstrip("?"), fields)
    return kept if len(kept.text) <= MAX_CHARACTERS else None


def kept_over_login() -> KeptForm | None:
    """The form that came back with this login; None without one, or where it is none of ours."""
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
    """The login, which takes the form along; `is_stale` where the login itself was refused."""
    form = LoginForm(formdata=None, email=request.form.get("email") if is_stale else None)
    page = render_template(
        "security/login_user.html", login_user_form=form, kept=kept, is_stale=is_stale
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
    # Another address in front of us would refuse it the next time as well.
    of_referer = "referrer" in error.description
    if not of_referer and (page := _page_with_what_was_typed()):
        return page
    title, _says = NOT_UNDERSTOOD
    return error_page(400, title, REFERER_SAYS if of_referer else CSRF_SAYS)


def _page_with_what_was_typed() -> Response | None:
    """The page that offers the refused form again; the login itself, for a login."""
    if request.endpoint == LOGIN:
        if current_principal() is not None:
            return redirect(url_for("admin.index"))  # type: ignore[return-value]
        return login_page(kept=kept_over_login(), status=400, is_stale=True)
    form = sent_form()
    return offer(form, 400) if form else None
