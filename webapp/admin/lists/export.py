"""Lists as CSV files."""

from collections.abc import Iterable, Iterator

from flask import Response, abort, request
from flask.typing import ResponseReturnValue

from webapp import current
from webapp.admin.base import Page, expose
from webapp.admin.lists.filters import read_choice
from webapp.db.types import utc_now
from webapp.tenants.csv_cells import BOM, to_csv
from webapp.tenants.export import COLUMNS, export_tenants

Runs = Iterable[Iterable[Iterable[object]]]


def sheet(name: str, columns: Iterable[str], runs: Runs) -> Response:
    """A CSV file of these rows, streamed as they are read, with the moment in its name."""
    return attachment(f"{name}-{utc_now():%Y%m%d-%H%M%S}.csv", _lines(columns, runs))


def attachment(name: str, lines: bytes | str | Iterator[str]) -> Response:
    """A CSV file to download; bytes carry their own encoding."""
    kind = "text/csv" if isinstance(lines, bytes) else "text/csv; charset=utf-8"
    answer = Response(lines, content_type=kind)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer


class ExportView(Page):
    """Lists as files, for all who may see the list; each export is recorded."""

    reads = frozenset({"index", "tenants"})

    @expose("/")
    def index(self) -> ResponseReturnValue:
        abort(404)

    @expose("/tenants.csv")
    def tenants(self) -> ResponseReturnValue:
        """The tenants of a list: with its `state`, `cause`, `search`, `operation`, `upload`."""
        runs = export_tenants(current.database(), read_choice(request.args), actor=current.actor())
        return sheet("tenants", COLUMNS, runs)


def _lines(columns: Iterable[str], runs: Runs) -> Iterator[str]:
    yield BOM + to_csv([columns])
    for run in runs:
        yield to_csv(run)
