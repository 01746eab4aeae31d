"""The panel as a whole: its pages, in the order of the menu."""

from apiflask import APIFlask
from flask import redirect, url_for
from flask.typing import ResponseReturnValue
from flask_admin import Admin
from flask_admin.theme import Bootstrap4Theme

from webapp.admin import idempotency
from webapp.admin.audit.views import AuditView
from webapp.admin.csv_import.views import UploadsView
from webapp.admin.help import HelpView
from webapp.admin.lists.export import ExportView
from webapp.admin.live.etag import answer_unchanged
from webapp.admin.navigation import places
from webapp.admin.operations.views import OperationsView
from webapp.admin.overview.views import Overview
from webapp.admin.partitions.views import PartitionsView
from webapp.admin.queues.pausing import PausingView
from webapp.admin.rq import dashboard as rq
from webapp.admin.tenants.views import TenantView
from webapp.admin.wording.filters import FILTERS
from webapp.http.shared_reads import SharedReads
from webapp.settings import VERSION, Settings


def init_app(app: APIFlask, settings: Settings) -> None:
    admin = Admin(
        app,
        name="Paratia",
        theme=Bootstrap4Theme(base_template="admin/frame.html"),
        index_view=Overview(name="Overview", url="/admin"),
    )
    admin.add_view(TenantView(name="Tenants", endpoint="tenant"))
    admin.add_view(PartitionsView(name="Partitions", endpoint="partitions"))
    admin.add_view(OperationsView(name="Operations", endpoint="operations"))
    admin.add_view(PausingView(name="Pause", endpoint="pausing", url="/admin/pause"))
    admin.add_view(AuditView(name="Audit", endpoint="audit"))
    admin.add_view(UploadsView(name="Import", endpoint="uploads", url="/admin/import"))
    admin.add_view(ExportView(name="Export", endpoint="export", url="/admin/export"))
    admin.add_view(HelpView(name="Help", endpoint="help"))
    app.extensions["shared_reads"] = SharedReads()
    app.after_request(answer_unchanged)
    idempotency.init_app(app)
    app.jinja_env.filters.update(FILTERS)
    app.jinja_env.globals.update(places=places, version=VERSION)
    rq.init_app(app, settings)
    app.add_url_rule("/", "home", _home)


def _home() -> ResponseReturnValue:
    return redirect(url_for("admin.index"))
