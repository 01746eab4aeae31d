"""Table: what a page of the panel costs the server with 100, 10,000 and 100,000 tenants."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from bench.engines import Engines
from bench.figures import Measured
from bench.options import Options
from bench.product import installed
from bench.report import progress
from bench.table import Column, Table
from tests.access import Visitor, add_user
from tests.crowd import Crowd, seed
from tests.panels import FEW, MANY, Panel, pages
from webapp.auth.roles import Role
from webapp.extensions import db

# Tenants, and how many of them have failed.
SIZES = (FEW, (10_000, 500), MANY)
ROUNDS = 5
COLLECTION = "kb_chunks_v1"


def measure(engines: Engines, options: Options) -> Table:
    """Measure each page; the numbers of tenants are the table's own."""
    with ExitStack() as stack:
        panels = [stack.enter_context(crowded_panel(engines, *size)) for size in SIZES]
        addresses = pages(panels[-1])
        for address in addresses:
            for panel in panels:
                panel.open(address)
        # The same page again and again, so that the database's cache holds what it needs.
        pages_in_turn = [
            [(address, _costs(panels, address)) for _ in range(ROUNDS * options.rounds)]
            for address in addresses
        ]
        rounds = [dict(one) for one in zip(*pages_in_turn, strict=True)]
    return Table.of_rounds(
        "panel",
        f"A page of the panel: the server's processor time, {engines.databases.name}",
        rounds,
        columns(),
        (
            "5,000 of the 100,000 have failed, 60 of the 100, so that lists are as long;",
            "nothing is shared with other panels: each page is opened as the first in a second",
        ),
        drawn=("ratio",),
    )


def columns() -> list[Column]:
    """Milliseconds at each size, and how often more the largest takes than the smallest."""
    sizes = [Column(f"ms at {size:,}", str(size), times=1000) for size, _ in SIZES]
    return [*sizes, Column("ratio", "growth")]


def growing(seconds: list[float]) -> Measured:
    """What it costs at each size, and the growth from the first to the last."""
    named = {str(size): one for (size, _), one in zip(SIZES, seconds, strict=True)}
    return named | {"growth": seconds[-1] / seconds[0]}


@contextmanager
def crowded_panel(engines: Engines, tenants: int, failed: int) -> Iterator[Panel]:
    """A panel with so many tenants, for an admin who has logged in."""
    progress(f"putting in {tenants:,} tenants")
    # The collection that the crowd's rows name.
    with installed(engines, COLLECTION) as product:
        app = product.app
        with app.app_context():
            engine = db.engine
        seed(engine, Crowd(tenants, failed))
        visitor = Visitor(app, f"198.18.0.{len(str(tenants))}")
        visitor.login(add_user(app, Role.ADMIN))
        yield Panel(app, visitor, engine)


def _costs(panels: list[Panel], address: str) -> Measured:
    return growing([_cost(panel, address) for panel in panels])


def _cost(panel: Panel, address: str) -> float:
    return panel.cpu_s(lambda: panel.open(address))
