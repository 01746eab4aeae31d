"""Milvus dead, frozen or out of reach, and partitions that vanish from it."""

from tests.chaos.faults.fault import During, Fault, lasting, point
from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.proxy import Mode

LASTS_S = 5.0
SLOW_S = 0.5


# Killed, and started on its data again at the end.
gone = lasting(lambda target: target.milvus.kill(), lambda target: target.milvus.start())
# It takes connections and answers nothing.
frozen = lasting(lambda target: target.milvus.freeze(), lambda target: target.milvus.thaw())


def network(mode: Mode) -> During:
    """The network between the product and Milvus in a mode."""
    return lasting(
        lambda target: target.network.switch(mode, SLOW_S),
        lambda target: target.network.switch(Mode.PASS),
    )


def _drop_by_hand(target: Target, _promises: Promises) -> None:
    ready = [row.partition for row in target.database.rows() if row.state == "ready"]
    chosen = target.random.choice([name for name in ready if name])
    target.partitions.drop(chosen)


FAULTS = [
    Fault("Milvus killed", gone, LASTS_S, is_kill=True),
    Fault("Milvus frozen", frozen, LASTS_S),
    Fault("Milvus cut off", network(Mode.REFUSE), LASTS_S),
    Fault("Milvus behind a black hole", network(Mode.HANG), LASTS_S),
    Fault("Milvus resetting connections", network(Mode.RESET), LASTS_S),
    Fault("Milvus slow", network(Mode.DELAY), LASTS_S),
    Fault("Milvus's answers lost", network(Mode.MUTE), LASTS_S),
    Fault("partition dropped by hand", point(_drop_by_hand)),
]
