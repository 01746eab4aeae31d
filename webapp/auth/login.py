"""The login and logout pages of Flask-Security, with all its other features switched off."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

from flask import Flask, render_template, request
from flask_security import LoginForm, Security, SQLAlchemyUserDatastore
from werkzeug.datastructures import ImmutableMultiDict, MultiDict
from wtforms import Field

from webapp.auth import kept_forms, login_failures
from webapp.auth.emails import EmailNames, InvalidEmail, normalized
from webapp.auth.login_loops import instead_of_loop
from webapp.auth.models import User
from webapp.auth.salt import password_salt
from webapp.auth.sessions import begin_session
from webapp.extensions import db
from webapp.http.paths import here

REFUSED = "E-mail address or password is wrong."


class PanelLoginForm(LoginForm):
    """E-mail and password. Without 'remember me': a copied cookie must not stay valid."""

    remember = None

    def validate_next(self, field: Field) -> None:
        """Accept any value: the view has replaced all but paths of this site."""

    def validate(self, **kwargs: Any) -> bool:
        """Check the password; the new session keeps nothing of an earlier one."""
        if not super().validate(**kwargs):
            if self.ifield:
                login_failures.note(
                    is_known=self.user is not None, is_right=self.user_authenticated
                )
            return False
        if not isinstance(self.user, User):
            return False
        begin_session(self.user)
        return True


def init_app(app: Flask) -> None:
    """Add `/login` and `/logout`, and load users into requests."""
    app.config.update(
        SECURITY_PASSWORD_HASH="argon2",  # noqa: S106  the name of a scheme
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_PASSWORD_SALT=password_salt,
        SECURITY_USER_IDENTITY_ATTRIBUTES=[
            {"email": {"mapper": _email_or_none, "case_insensitive": False}}
        ],
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_MSG_GENERIC_AUTHN_FAILED=(REFUSED, "error"),
        SECURITY_POST_LOGIN_VIEW="admin.index",
        SECURITY_POST_LOGOUT_VIEW="security.login",
        SECURITY_LOGOUT_METHODS=["POST"],
        SECURITY_FRESHNESS=timedelta(seconds=-1),
        SECURITY_STATIC_FOLDER=None,
        SECURITY_CACHE_CONTROL=None,
        SECURITY_CLI_USERS_NAME=None,
        SECURITY_CLI_ROLES_NAME=None,
        SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
    )
    security = Security(
        app,
        SQLAlchemyUserDatastore(db, User, None),  # type: ignore[arg-type]  # roles are a column
        login_form=PanelLoginForm,
        mail_util_cls=EmailNames,
    )
    _close_other_ways_in(security)
    app.view_functions["security.login"] = _keep_on_site(app.view_functions["security.login"])
    app.add_url_rule("/logout", "logout_page", logout_page, methods=["GET"])


def logout_page() -> str:
    """Ask before logging out: a link must change nothing."""
    return render_template("security/logout_user.html")


def _keep_on_site(view: Callable[[], Any]) -> Callable[[], Any]:
    """Wraps the login: keeps `next` on this site, and offers a form that was kept over it."""

    @wraps(view)
    def login() -> Any:
        request.args, request.form = _with_local_next(request.args), _with_local_next(request.form)
        answer = view()
        if not getattr(answer, "location", None):
            return answer
        if next_page := request.form.get("next") or request.args.get("next"):
            # Flask-Security would quote a % of the path once more.
            answer.location = next_page
        if form := kept_forms.kept_over_login():
            return kept_forms.offer(form, 200)
        # A visitor who is logged in already, and was sent here by a page.
        if request.method == "GET" and next_page and (page := instead_of_loop(next_page)):
            return page
        return answer

    return login


def _with_local_next(values: MultiDict[str, str]) -> ImmutableMultiDict[str, str]:
    address = values.get("next")
    return ImmutableMultiDict({**values, "next": here(address)} if address else values)


def _close_other_ways_in(security: Security) -> None:
    # Flask-Security would answer JSON logins, and accept its own tokens in header, query or body.
    security.want_json(lambda _request: False)
    security.login_manager.request_loader(lambda _request: None)
    # Flask-Principal would load the user before every request, static files included.
    security.principal.identity_loaders.clear()


def _email_or_none(identity: str) -> str | None:
    try:
        return normalized(identity)
    except InvalidEmail:
        return None
