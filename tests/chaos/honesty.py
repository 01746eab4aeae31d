"""Whether a surface says that all is well while it is not: the liar counter, which must be 0.

The truth is known without the product: what clients were acknowledged, and what Milvus lists.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from grpc import RpcError
from pymilvus.exceptions import MilvusException

from tests.chaos.promises import Promises
from tests.chaos.target import Target
from tests.engines.process import wait_until

LOOK_EVERY_S = 2.0
# A tenant may be without its partition for a minute, which is information, before each surface must
# say that it waits; and some seconds for the judgement.
TENANT_WITHIN_S = 70.0
# So soon a surface must say that Milvus does not answer: a sweep, its calls, and the judgement.
MILVUS_WITHIN_S = 45.0
# After a fault has healed, each condition must have passed within this time.
CLEARED_WITHIN_S = 60.0

FINE = "ok"
LOST = "rows_may_be_lost"


@dataclass
class Honesty:
    """What the surfaces said that was not so, each with its surface."""

    target: Target
    promises: Promises
    lies: list[str] = field(default_factory=list)
    _milvus_gone_since: float | None = None
    # Tenant -> when its partition was first seen to be lacking, of those whose is.
    _lacking_since: dict[int, float] = field(default_factory=dict)

    def look(self) -> None:
        """Compare what the surfaces say with what is so; only an answer can be a lie."""
        # The surfaces first: what becomes true between the two questions is no lie.
        fine = [name for name, is_fine in self._surfaces() if is_fine]
        if fine and (truth := self._trouble()):
            self.lies.append(f"{', '.join(fine)} said {FINE} while {truth}")

    def await_clear(self) -> float:
        """Seconds until no condition is left; one that stays is a lie too.

        An operator acknowledges that rows may be lost, which stays until then.
        """
        began = time.monotonic()

        def is_clear() -> bool:
            left = self.present()
            if LOST in left:
                self.target.product.flask("partitions", "acknowledge", "--all")
            return not left

        try:
            wait_until(is_clear, CLEARED_WITHIN_S, "no condition")
        except TimeoutError:
            left = ", ".join(sorted(self.present()))
            self.lies.append(f"these conditions stayed behind: {left}")
        return time.monotonic() - began

    def present(self) -> frozenset[str]:
        """The keys of the present conditions; one stands for no answer."""
        try:
            answer = self.target.product.api("GET", "/api/health")
        except httpx.TransportError:
            return frozenset({"no answer"})
        if answer.status_code != httpx.codes.OK:
            return frozenset({f"status {answer.status_code}"})
        return frozenset(
            each["key"] for each in answer.json()["conditions"] if each["severity"] != "info"
        )

    def _surfaces(self) -> Iterator[tuple[str, bool]]:
        for name, path in (("/readyz", "/readyz"), ("/api/health", "/api/health")):
            try:
                answer = self.target.product.api("GET", path)
            except httpx.TransportError:
                continue
            if answer.status_code == httpx.codes.OK:
                yield name, answer.json()["status"] == FINE

    def _trouble(self) -> str | None:
        """What is wrong for longer than it may be untold; None where nothing is."""
        try:
            names = frozenset(self.target.partitions.names())
        except (MilvusException, RpcError, OSError):
            self._milvus_gone_since = self._milvus_gone_since or time.monotonic()
            gone_s = time.monotonic() - self._milvus_gone_since
            return (
                f"Milvus had not answered for {gone_s:.0f} s" if gone_s > MILVUS_WITHIN_S else None
            )
        self._milvus_gone_since = None
        return self._unready(names)

    def _unready(self, names: frozenset[str]) -> str | None:
        now, deleted = time.monotonic(), self.promises.deleted()
        self._lacking_since = {
            each.tenant_id: self._lacking_since.get(each.tenant_id, now)
            for each in self.promises.acknowledged()
            if each.tenant_id not in deleted and f"tenant_{each.tenant_id}" not in names
        }
        late = [each for each, at in self._lacking_since.items() if now - at > TENANT_WITHIN_S]
        if not late:
            return None
        return f"{len(late)} tenants had no partition for {TENANT_WITHIN_S:.0f} s, as {late[0]}"


@contextmanager
def watched(target: Target, promises: Promises) -> Iterator[Honesty]:
    """Look at the surfaces every two seconds while the block runs."""
    honesty, ended = Honesty(target, promises), threading.Event()

    def keep_looking() -> None:
        while not ended.wait(LOOK_EVERY_S):
            honesty.look()

    watcher = threading.Thread(target=keep_looking, daemon=True)
    watcher.start()
    try:
        yield honesty
    finally:
        ended.set()
        watcher.join()
