"""What a condition is: a kind with its remedy, and one occurrence of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from webapp.models.condition import Severity


class Part(StrEnum):
    """The part of the installation in which a condition is seen."""

    DATABASE = "database"
    REDIS = "redis"
    WEB = "web"
    WORKERS = "workers"
    RECONCILER = "reconciler"
    MILVUS = "milvus"
    COLLECTION = "collection"
    CAPACITY = "capacity"
    PROVISIONING = "provisioning"
    BRAKE = "brake"
    TENANTS = "tenants"
    SETTINGS = "settings"


PARTS_OF_PROCESSES = {"web": Part.WEB, "worker": Part.WORKERS, "reconciler": Part.RECONCILER}


class Place(StrEnum):
    """The page of the panel on which a condition is handled."""

    OVERVIEW = "overview"
    HEADROOM = "headroom"
    CAUSES = "causes"
    DRIFT = "drift"
    ORPHANS = "orphans"
    STUCK = "stuck"
    BRAKE = "brake"
    ROWS_LOST = "rows_lost"
    QUEUES = "queues"
    FOREIGN = "foreign"
    WAITING = "waiting"
    NOT_REQUESTED = "not_requested"
    REMOVING = "removing"
    OPERATIONS = "operations"
    UPLOADS = "uploads"


@dataclass(frozen=True)
class Kind:
    """One sort of condition: the key is stable, and names its section of docs/operations.md."""

    key: str
    part: Part
    place: Place
    # A whole sentence, English, to translate.
    what_to_do: str
    # True where it ends without a human, once what caused it has ended or the work is done.
    passes_by_itself: bool = False
    # True where another `since` is another fault under the same key, which is raised again.
    begins_anew: bool = False


@dataclass(frozen=True)
class Text:
    """One sentence: a template with values, and another one for several where there is a number.

    Values may be texts, labels, numbers, moments, causes (shown by their labels) and actors.
    """

    template: str
    plural: str | None = None
    num: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


def plain(template: str, **values: Any) -> Text:
    """A sentence without a number that decides its form."""
    return Text(template, values=values)


def counted(singular: str, plural: str, num: int, **values: Any) -> Text:
    """A sentence for this number, which `%(num)s` stands for."""
    return Text(singular, plural, num, values)


class Label(str):
    """A phrase within a sentence, English, to translate."""

    __slots__ = ()


class ActorName(str):
    """The name of an actor, as `audit` has it."""

    __slots__ = ()


@dataclass(frozen=True)
class Condition:
    """A condition that is present.

    `count` is how many are concerned (tenants, partitions, processes); None where nothing is
    counted. `subject` is the collection or part that it concerns; empty: the installation. `since`
    is None where only the judgement knows it, see `log.with_moments`.
    """

    kind: Kind
    severity: Severity
    text: Text
    since: datetime | None = None
    count: int | None = None
    subject: str = ""
    # What to do in this case, where it is more exact than the kind's.
    remedy: Text | None = None

    @property
    def what_to_do(self) -> Text:
        """A whole sentence, English, to translate."""
        return self.remedy or plain(self.kind.what_to_do)

    @property
    def key(self) -> str:
        return self.kind.key

    @property
    def part(self) -> Part:
        """Where it is seen; a silent process is its own part."""
        return PARTS_OF_PROCESSES.get(self.subject, self.kind.part)

    @property
    def identity(self) -> tuple[str, str]:
        return self.kind.key, self.subject

    @property
    def needs_human(self) -> bool:
        """Whether it is more than information, and does not pass by itself."""
        return self.severity != Severity.INFO and not self.kind.passes_by_itself


RANK = {Severity.DANGER: 0, Severity.WARNING: 1, Severity.INFO: 2}


def worst(conditions: list[Condition]) -> Severity | None:
    """The gravest severity of a list; None of an empty one."""
    return min((each.severity for each in conditions), key=RANK.__getitem__, default=None)
