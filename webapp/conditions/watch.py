"""The watch that every process of the product keeps while it runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from webapp.conditions.condition import Condition
from webapp.conditions.log import ConditionLog
from webapp.db.session import Database
from webapp.models.process import ProcessKind
from webapp.processes.heartbeat import ProcessHeartbeat
from webapp.settings import Settings


class Watch:
    """Shows that this process lives, and judges the conditions of the installation."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        kind: ProcessKind,
        name: str | None = None,
    ) -> None:
        self.conditions = ConditionLog(database, settings)
        self.heartbeat = ProcessHeartbeat(
            database,
            settings,
            kind,
            name=name,
            afterwards=self.conditions.judge,
            on_failure=self.conditions.note_failure,
        )


def own_conditions(extensions: Mapping[str, Any]) -> Sequence[Condition]:
    """What this process alone knows: the application keeps its `condition_log` there."""
    log: ConditionLog | None = extensions.get("condition_log")
    return [log.outage] if log and log.outage else []
