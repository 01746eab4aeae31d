"""The watch that every process of the product keeps while it runs."""

from collections.abc import Mapping
from typing import Any

from webapp.conditions.judgement import NOTHING, Own
from webapp.conditions.log import ConditionLog
from webapp.db.schema_revision import Schema
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
        schema: Schema,
        name: str | None = None,
    ) -> None:
        self.conditions = ConditionLog(database, settings, schema)
        self.heartbeat = ProcessHeartbeat(
            database,
            settings,
            kind,
            name=name,
            afterwards=self.conditions.judge,
            on_failure=self.conditions.note_failure,
        )


def own_view(extensions: Mapping[str, Any]) -> Own:
    """What this process alone knows: the application keeps its `condition_log` there."""
    log: ConditionLog | None = extensions.get("condition_log")
    return log.own() if log else NOTHING
