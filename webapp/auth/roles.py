"""What users and tokens may do: three roles, each including those before it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal


class Role(StrEnum):
    """A role. `viewer` reads, `operator` changes tenants and partitions, `admin` does all."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what `other` is asked for."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)


@dataclass(frozen=True)
class Principal:
    """Whoever makes a request, and what they may do."""

    kind: Literal["user", "token"]
    id: int
    name: str
    role: Role

    @property
    def actor(self) -> str:
        """How logs and timelines name them: `user:a@b.c`, `token:ci`."""
        return f"{self.kind}:{self.name}"

    @property
    def owner(self) -> str:
        """Whose their things are: a later token of the same name is somebody else."""
        return f"{self.kind}:{self.id}"

    def may(self, role: Role) -> bool:
        """Whether they may do what asks for `role`."""
        return self.role.includes(role)
