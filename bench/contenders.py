"""Everybody who takes part, each installed afresh whenever it is its turn."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, closing
from functools import partial

from bench.contender import Contender
from bench.engines import Engines
from bench.peer import CELERY, HUEY, RQ, RQ_SIMPLE, Kind, Peer
from bench.product import installed

PRODUCT = "product"
# Installs a contender, on this collection or on a fresh one.
Installs = Callable[[str | None], AbstractContextManager[Contender]]


def contenders(engines: Engines, *, with_fork: bool = True) -> Mapping[str, Installs]:
    """The peers and the product. RQ's own worker, which forks, takes a second for each tenant."""
    kinds = [RQ_SIMPLE, CELERY, HUEY]
    if with_fork:
        kinds.insert(0, RQ)
    peers = {kind.name: partial(_peer, engines, kind) for kind in kinds}
    return {**peers, PRODUCT: partial(installed, engines)}


def _peer(
    engines: Engines, kind: Kind, collection: str | None = None
) -> AbstractContextManager[Contender]:
    return closing(Peer(engines, kind, collection))
