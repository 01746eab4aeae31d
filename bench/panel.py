"""Table: what a page of the panel costs the server with 100 tenants, and with 100,000."""

from collections.abc import Iterator
from contextlib import contextmanager

from bench.engines import Engines
from bench.product import installed
from bench.report import progress, show_table
from tests.access import Visitor, add_user
from tests.crowd import Crowd, seed
from tests.panels import FEW, MANY, Panel, costs, pages
from webapp.auth.roles import Role
from webapp.extensions import db


def measure(engines: Engines, _tenants: int, rounds: int) -> None:
    """Measure and print; the numbers of tenants are the table's own."""
    with _panel(engines, "198.18.0.1", *FEW) as few, _panel(engines, "198.18.0.2", *MANY) as many:
        addresses = pages(many)
        for address in addresses:
            few.open(address)
            many.open(address)
        rows = []
        for address in addresses:
            progress(address)
            one, other = costs(few, many, address, 5 * rounds)
            asked = len(many.statements(address))
            row = (f"{1000 * one:.1f}", f"{1000 * other:.1f}", f"{other / one:.2f}", str(asked))
            rows.append((address, *row))
    show_table(
        "5. A page of the panel: the server's processor time, SQLite",
        ("", "ms at 100", "ms at 100,000", "ratio", "statements"),
        rows,
        (
            "5,000 of the 100,000 have failed, 60 of the 100, so that lists are as long;",
            "nothing is shared with other panels: each page is opened as the first in a second",
        ),
    )


@contextmanager
def _panel(engines: Engines, address: str, tenants: int, failed: int) -> Iterator[Panel]:
    progress(f"putting in {tenants:,} tenants")
    with installed(engines) as product:
        app = product.app
        with app.app_context():
            engine = db.engine
        seed(engine, Crowd(tenants, failed))
        visitor = Visitor(app, address)
        visitor.login(add_user(app, Role.ADMIN))
        yield Panel(app, visitor, engine)
