"""All faults by name: what can die, freeze, fill up or be cut."""

from tests.chaos.faults import clients, databases, milvus, processes, redis
from tests.chaos.faults.fault import Fault

FAULTS = {
    fault.name: fault
    for room in (processes, redis, milvus, databases, clients)
    for fault in room.FAULTS
}


def faults_on(database: str) -> list[Fault]:
    """Those that the product can meet on this database."""
    return [fault for fault in FAULTS.values() if fault.only_on in (None, database)]
