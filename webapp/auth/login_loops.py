"""A page in place of a loop between login and panel.

Instances with different keys do not accept each other's sessions: one leads to the login, where
another, at which the visitor is logged in, leads back.
"""

import time
from zlib import crc32

from flask import Response, request, session
from flask_babel import lazy_gettext as _l

from webapp.http.error_pages import error_page
from webapp.logs import get_logger

TITLE = _l("The servers do not share a key")
DETAIL = _l(
    "You are logged in at this server, but another one behind the same address does not accept "
    "that, and leads back here. All of them need the same SECRET_KEY; while the key is being "
    "changed, the other one must be in SECRET_KEY_FALLBACKS. Tell the people who run this site."
)
# A visitor who opens the login again is led on; so often to one page, only a loop leads.
TIMES, WITHIN_S = 3, 60
# Redirects that are remembered, for several tabs.
REMEMBERED = 8
# The key of the session: pairs of a Unix time and a digest of the page.
SENT_ON = "sent_on"
# The field of a login form that is offered again after a refusal.
REFUSED_BEFORE = "refused_before"

log = get_logger(__name__)


def instead_of_loop(page: str) -> Response | None:
    """The page that says what is wrong, if a logged-in visitor is led to `page` again and again."""
    now, mark = int(time.time()), crc32(page.encode())
    recent = [pair for pair in session.get(SENT_ON, []) if now - pair[0] < WITHIN_S]
    session[SENT_ON] = [*recent, [now, mark]][-REMEMBERED:]
    if [pair[1] for pair in session[SENT_ON]].count(mark) < TIMES:
        return None
    log.error("auth.login.looped", page=page)
    return error_page(503, TITLE, DETAIL)


def is_refused_again() -> bool:
    """Whether this login form was refused before; without cookies it always is."""
    if REFUSED_BEFORE not in request.form:
        return False
    log.error("auth.login.looped", page=request.path)
    return True
