"""What users and tokens may do: three roles, each including those before it."""

from enum import StrEnum


class Role(StrEnum):
    """A role. `viewer` reads, `operator` changes tenants and partitions, `admin` does all."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether whoever has this role may do what `other` is asked for."""
        ranks = list(Role)
        return ranks.index(self) >= ranks.index(other)
