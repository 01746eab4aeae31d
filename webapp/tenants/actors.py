"""Who does something to tenants, and by which road it came."""

from dataclasses import dataclass
from enum import StrEnum


class Via(StrEnum):
    """The road by which a change was asked for. The values are part of the audit."""

    PANEL = "panel"
    API = "api"
    CLI = "cli"
    QUEUE = "queue"


@dataclass(frozen=True)
class Actor:
    """Somebody who asks for a change: their name as timelines have it, and where they are.

    The address is the client's for requests, and `user@host` for commands.
    """

    name: str
    via: Via
    address: str | None = None
    request_id: str | None = None
