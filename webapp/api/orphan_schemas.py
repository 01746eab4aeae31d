"""Bodies and answers of the endpoints about orphans."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictStr

from webapp.api.schemas_in import Incoming, Name, Reason, Slug
from webapp.api.schemas_out import Outgoing
from webapp.models.states import DriftKind, OrphanAction, OrphanOutcome

# As Milvus has it; any text can be asked for.
PlaceName = Annotated[StrictStr, Field(max_length=255)]


class OrphanPlace(Incoming):
    """An orphan, as `GET /api/partitions/orphans` names it."""

    collection: PlaceName
    partition: PlaceName


class OrphanAdoption(OrphanPlace):
    """The tenant that an orphan becomes. A slug left out is made from the name."""

    name: Name
    slug: Slug | None = None


class OrphanAcknowledgement(OrphanPlace):
    """An orphan to be kept, with the reason that every user will see."""

    reason: Reason | None = None


class OrphanDrop(OrphanPlace):
    """An orphan to be dropped, with its name once more."""

    typed: PlaceName = Field(description="The name of the partition.")


class Orphan(Outgoing):
    """A partition in Milvus that no tenant has."""

    kind: DriftKind = Field(
        description="orphan; acknowledged: it is kept; other: its name is none that a tenant's "
        "partition can have. The last two are no drift."
    )
    collection: str
    partition: str
    rows: int | None = Field(description="Null: not counted, or Milvus could not tell.")
    counted_at: datetime | None
    note: str | None
    first_seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_reason: str | None


class OrphanRequest(Outgoing):
    """The last request to count or drop a partition. The reconciler fulfils it within seconds."""

    collection: str
    partition: str
    action: OrphanAction
    asked_at: datetime
    asked_by: str = Field(validation_alias="actor")
    finished_at: datetime | None = Field(description="Null while it waits or is under way.")
    outcome: OrphanOutcome | None = Field(
        description="counted; dropped: proven by a list; absent: it was gone; refused; failed."
    )
    rows: int | None = Field(description="As counted for it, before a drop begins.")
    counted_at: datetime | None
    message: str | None


class Orphans(Outgoing):
    """The orphans of the last comparisons, and what was requested. The first 1,000 of each."""

    orphans: list[Orphan]
    requests: list[OrphanRequest] = Field(description="The newest first, finished ones too.")
