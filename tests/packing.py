"""Which files of tests run in one process, and which begin first, when several processes test.

A file runs in one process, since its tests share what they start. The stories of the browser
share even more: one running product for all files of a group. A file is named here by its
folder and what it tests: `browser/panel` is tests/browser/test_panel.py.
"""

from pathlib import PurePath

from xdist.scheduler import LoadScopeScheduling

# Each group costs a product, a Milvus, a browser and a login.
GROUPS = {
    "browser-1": (
        *("browser/operations", "browser/import", "browser/tenant", "browser/overview"),
        "browser/audit",
    ),
    "browser-2": (
        *("browser/panel", "browser/queues", "browser/by_keyboard", "browser/keyboard"),
        "browser/words_and_looks",
    ),
}
# These take half a minute or more: begun last, one would be waited for while all else is done.
LONGEST = (
    *("acceptance/make_run", *GROUPS["browser-1"], *GROUPS["browser-2"], "acceptance/product"),
    *("browser/accessibility", "chaos/storm", "integration/pymilvus26", "browser/crowd"),
    *("admin/admin_scale", "integration/partition_store"),
    *("integration/database_trouble", "domain/processes", "domain/state_machine"),
    *("api/api_killed", "acceptance/partition_script"),
)
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


def _name(path: PurePath) -> str:
    return f"{path.parent.name}/{path.stem.removeprefix('test_')}"
