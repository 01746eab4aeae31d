"""Which files of tests run in one process, which begin first, and which `make quick` leaves out.

A file runs in one process, since its tests share what they start. The stories of the browser
share even more: one running product for all files of a group. A file is named here by its
folder and what it tests: `browser/panel` is tests/browser/test_panel.py.
"""

from collections.abc import Iterable
from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

# Stories that share a panel, a browser and, in `running`, a whole product.
GROUPS = {
    "browser": (
        *("browser/panel", "browser/keyboard", "browser/tenant", "browser/audit"),
        *("browser/forms", "browser/words_and_looks", "browser/lists"),
    ),
    "running": (
        *("running/health", "running/queues", "running/operations", "running/import"),
        "running/tenants",
    ),
}
# These take half a minute or more: begun last, one would be waited for while all else is done.
LONGEST = (
    *("acceptance/make_run", *GROUPS["running"], *GROUPS["browser"], "browser/accessibility"),
    *("chaos/storm", "acceptance/product", "integration/pymilvus26"),
    *("integration/partition_store", "integration/database_trouble", "domain/processes"),
    *("domain/state_machine", "api/api_killed", "acceptance/partition_script"),
)
# What `make quick` leaves out, beside those: what starts a product, a web server, a browser, a
# Milvus standalone or PostgreSQL, and files that take some five seconds of the processor's time.
SLOW_FOLDERS = {"acceptance", "browser", "chaos", "running", "web"}
SLOW_FILES = {
    *("access/doors", "access/limits", "api/api_fuzz", "integration/outages"),
    *("integration/script_provider", "integration/text_doors", "integration/secrets_stay"),
    *("domain/queue_worker", "domain/repair", "domain/at_once_processes", "unit/imports"),
    *("domain/moved_alias", "domain/foreign", "domain/drift"),
}
SLOW_ENGINES = {"milvus_standalone", "guarded_standalone", "postgresql", "fresh_database"}
_PLACES = {name: place for place, name in enumerate(LONGEST)}
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


class Packed(LoadScopeScheduling):
    """Gives each process that is free the next group of tests.

    Not xdist's own groups: those are part of a test's id, which pytest 9.2 does not let it change.
    """

    def _split_scope(self, nodeid: str) -> str:
        name = _name(PurePath(nodeid.partition("::")[0]))
        return _GROUP_OF.get(name, name)


def place_of(path: PurePath) -> int:
    """Where the tests of a file come: the lowest first."""
    return _PLACES.get(_name(path), len(LONGEST))


def is_quick(path: PurePath, engines: Iterable[str]) -> bool:
    """Whether `make quick` runs a test of this file that asks for these engines."""
    is_slow = _name(path) in SLOW_FILES | _PLACES.keys() or path.parent.name in SLOW_FOLDERS
    return not is_slow and SLOW_ENGINES.isdisjoint(engines)


def _name(path: PurePath) -> str:
    return f"{path.parent.name}/{path.stem.removeprefix('test_')}"
