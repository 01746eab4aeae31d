"""Three roles of users and tokens, each including those before it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """A role. `viewer` reads, `operator` changes tenants and partitions, `admin` does all."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether this role allows what `other` allows."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True)
class Principal:
    kind: Literal["user", "token"]
    id: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """The name in logs and timelines: `user:a@b.c`, `token:ci`."""
        return f"{self.kind}:{self.name}"

    @property
    def owner(self) -> str:
        """The owner of idempotency keys; by id, since a token's name can be used again."""
        return f"{self.kind}:{self.id}"

    def may(self, role: Role) -> bool:
        return self.role.includes(role)
