"""Column types that several tables share."""

from enum import StrEnum

from sqlalchemy import BigInteger, Enum, Integer

# SQLite never reuses a number only with INTEGER PRIMARY KEY AUTOINCREMENT.
Number = BigInteger().with_variant(Integer, "sqlite")


def code(kind: type[StrEnum]) -> Enum:
    """A column of the enum's values as text: a new value needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
