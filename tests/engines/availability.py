"""Which engines a run does without: only those switched off by name, never silently."""

import os

VARIABLE = "PARATIA_TEST_WITHOUT"
NAMES = frozenset(
    {
        *("redis", "milvus-lite", "milvus-standalone", "postgres", "pgbouncer", "pymilvus26"),
        *("chromium", "nginx"),
    }
)


class EngineMissing(Exception):
    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            f"{name}: {reason}\nTo run without it, and see its tests reported as skipped, "
            f"set {VARIABLE}={name}."
        )


def switched_off() -> frozenset[str]:
    """Names in PARATIA_TEST_WITHOUT.

    Raises:
        ValueError: at a name that no engine has.
    """
    names = {name.strip() for name in os.environ.get(VARIABLE, "").split(",")} - {""}
    unknown = names - NAMES
    if unknown:
        raise ValueError(f"{VARIABLE} names {sorted(unknown)}; engines are {sorted(NAMES)}")
    return frozenset(names)


def is_switched_off(name: str) -> bool:
    """Whether the run does without this engine."""
    return name in switched_off()
