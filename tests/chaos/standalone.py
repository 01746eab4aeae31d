"""The few on Milvus standalone: the faults in which the server itself has a part."""

from tests.chaos.faults import FAULTS
from tests.chaos.options import Options
from tests.chaos.storm import weather

# It is not frozen: after 42 s it would end by itself.
CHOSEN = (
    "worker killed before the call",
    "worker killed during the call",
    "worker killed after the call",
    "Milvus cut off",
    "Milvus's answers lost",
    "Milvus killed",
    "partition dropped by hand",
    "deletion during provisioning",
)
SIGN_UPS = 12


def run(options: Options) -> bool:
    """True when nobody was lost and every bound is kept."""
    plan = [FAULTS[name] for name in CHOSEN if options.chooses(name)]
    database = options.databases[0]
    title = f"On Milvus standalone and {database}"
    return weather(title, database, plan, SIGN_UPS, options, "standalone")
