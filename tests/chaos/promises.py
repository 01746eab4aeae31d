"""What the clients were told: each creation is acknowledged, refused or unknown."""

import threading
from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    # The connection ended before an answer: the tenant may exist or not.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Creation:
    """One creation under a name that no other one has, repeats of the client's included."""

    name: str
    answer: Answer
    took_s: float
    tenant_id: int | None = None
    status: int | None = None


class Promises:
    """All creations of a run; written by many threads."""

    def __init__(self) -> None:
        self._creations: list[Creation] = []
        self._deleted: set[int] = set()
        self._lock = threading.Lock()

    def note(self, creation: Creation) -> None:
        with self._lock:
            self._creations.append(creation)

    def note_deletion(self, tenant_id: int) -> None:
        """Write down that the product has promised to let this tenant go."""
        with self._lock:
            self._deleted.add(tenant_id)

    def all(self) -> list[Creation]:
        """Every creation so far, in the order of the answers."""
        with self._lock:
            return list(self._creations)

    def acknowledged(self) -> list[Creation]:
        return [one for one in self.all() if one.answer is Answer.ACKNOWLEDGED]

    def deleted(self) -> frozenset[int]:
        with self._lock:
            return frozenset(self._deleted)
