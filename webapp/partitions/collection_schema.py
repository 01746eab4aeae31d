"""The fields of collections as Milvus last described them, for examples that fit."""

from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from webapp.db.session import Database
from webapp.models.observed import ObservedCollection


@dataclass(frozen=True)
class SchemaField:
    """One field; `type` and `element_type` are Milvus's own names: VARCHAR, FLOAT_VECTOR."""

    name: str
    type: str
    dim: int | None = None
    max_length: int | None = None
    element_type: str | None = None
    is_key: bool = False
    # Milvus fills it in: a key that it numbers itself, or what a function makes.
    is_made: bool = False
    # It has a default, or may be null.
    is_optional: bool = False

    @property
    def is_vector(self) -> bool:
        """Whether it can be searched by nearness."""
        return self.type.endswith("_VECTOR")


@dataclass(frozen=True)
class CollectionSchema:
    """What rows of a collection have, and whether they may have more than that."""

    fields: tuple[SchemaField, ...]
    is_dynamic: bool = False


STORED = TypeAdapter(CollectionSchema)


def record_schema(database: Database, collection: str, schema: CollectionSchema) -> None:
    """Store the fields of a collection that was observed before, where they are not known yet."""
    with database.reading() as session:
        if schema_of(session, collection) == schema:
            return
    with database.transaction() as session:
        session.execute(
            update(ObservedCollection)
            .where(ObservedCollection.collection == collection)
            .values(fields=STORED.dump_json(schema).decode())
        )


def schema_of(session: Session, collection: str) -> CollectionSchema | None:
    """The fields of a collection; None where none are stored, or they are unreadable."""
    mine = select(ObservedCollection.fields).where(ObservedCollection.collection == collection)
    try:
        return STORED.validate_json(session.scalar(mine) or "")
    except ValidationError:
        return None
