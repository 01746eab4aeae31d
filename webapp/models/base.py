"""The base of all tables, and what the columns of several share."""

from enum import StrEnum

from sqlalchemy import BigInteger, Enum, Index, Integer, MetaData, text
from sqlalchemy.orm import DeclarativeBase


class Model(DeclarativeBase):
    """The base of all models. Constraints have names, so that migrations can name them too."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# SQLite never reuses a number only with INTEGER PRIMARY KEY AUTOINCREMENT.
Number = BigInteger().with_variant(Integer, "sqlite")


def partial_index(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """An index of the rows that meet the condition, which both databases have."""
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


def code(kind: type[StrEnum]) -> Enum:
    """A column of the enum's values as text: a new value needs no migration."""
    return Enum(
        kind,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
