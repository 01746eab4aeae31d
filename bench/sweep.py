"""Table: what one sweep costs the reconciler with 100, 10,000 and 100,000 tenants."""

from contextlib import ExitStack
from typing import cast

from sqlalchemy import select

from bench.engines import Engines
from bench.figures import Measured
from bench.options import Options
from bench.panel import SIZES, columns, crowded_panel, growing
from bench.report import progress
from bench.table import Table
from jobs.milvus.store import PartitionStore
from jobs.reconciler.loop import Reconciler
from tests.model.milvus import InMemoryMilvus
from tests.panels import Panel
from webapp.db.session import Database
from webapp.models.partition import Partition
from webapp.models.states import PartitionState

SWEEP = "a sweep that finds nothing to do"
HAVE_PARTITION = (PartitionState.READY, PartitionState.REMOVING)
ROUNDS = 5


def measure(engines: Engines, options: Options) -> Table:
    """Measure with a Milvus in memory, since none holds 100,000 partitions in a collection."""
    with ExitStack() as stack:
        panels = [stack.enter_context(crowded_panel(engines, *size)) for size in SIZES]
        reconcilers = [_reconciler(panel) for panel in panels]
        for reconciler in reconcilers * 2:
            progress("a first sweep")
            reconciler.sweep()
        rounds = [{SWEEP: _costs(panels, reconcilers)} for _ in range(ROUNDS * options.rounds)]
    return Table.of_rounds(
        "sweep",
        f"A sweep: processor time of reconciler and database, {engines.databases.name}",
        rounds,
        columns(),
        ("a Milvus in memory lists the partitions; a real one needs a millisecond for each 1,000",),
        drawn=("ratio",),
    )


def _reconciler(panel: Panel) -> Reconciler:
    """A reconciler whose Milvus has what the rows say."""
    extensions = panel.app.extensions
    database: Database = extensions["database"]
    settings, milvus = extensions["settings"], InMemoryMilvus()
    collection = milvus.make_collection(name=settings.milvus_collection)
    with database.reading() as session:
        names = session.scalars(select(Partition.name).where(Partition.state.in_(HAVE_PARTITION)))
        milvus.collections[collection] |= dict.fromkeys(names, 0)
    # A sweep makes none of the calls that the one in memory lacks.
    return Reconciler(extensions["services"], cast(PartitionStore, milvus), settings)


def _costs(panels: list[Panel], reconcilers: list[Reconciler]) -> Measured:
    pairs = zip(panels, reconcilers, strict=True)
    return growing([panel.cpu_s(reconciler.sweep) for panel, reconciler in pairs])
