"""Stores a checked file: its counts, and each row as it was written."""

import json
from collections.abc import Sequence
from itertools import islice
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from webapp.csv_import.faults import dumped
from webapp.csv_import.parsing import FileRow, Table
from webapp.csv_import.rows import Candidate
from webapp.csv_import.validation import Verdict
from webapp.models.audit import Actor
from webapp.models.csv_import import RowOutcome, Upload, UploadRow
from webapp.texts import storable, visible

INSERTED_AT_ONCE = 1_000
NAME_KEPT, SLUG_KEPT, NUMBER_KEPT, FILENAME_KEPT = 300, 100, 40, 255

COUNTS = ("rows", "new", "unchanged", "invalid", "created", "refused")

Examined = tuple[FileRow, Candidate | None, Verdict]


def record(
    session: Session,
    filename: str,
    table: Table,
    examined: Sequence[Examined],
    *,
    actor: Actor,
) -> Upload:
    """Store the file's counts and rows, within the transaction of the check."""
    upload = _upload(filename, examined, actor)
    upload.keeps_numbers, upload.layout = table.keeps_numbers, table.layout.as_json()
    session.add(upload)
    session.flush()
    rows = (_columns(upload.id, *each) for each in examined)
    while batch := list(islice(rows, INSERTED_AT_ONCE)):
        session.execute(insert(UploadRow), batch)
    return upload


def counts(upload: Upload) -> dict[str, Any]:
    """The upload's counts, for the audit and the log."""
    return {name: getattr(upload, name) for name in COUNTS}


def _upload(filename: str, examined: Sequence[Examined], actor: Actor) -> Upload:
    outcomes = [verdict.outcome for _, _, verdict in examined]
    new = outcomes.count(RowOutcome.NEW)
    numbers = [
        candidate.number
        for _, candidate, verdict in examined
        if verdict.outcome == RowOutcome.NEW and candidate and candidate.number is not None
    ]
    return Upload(
        filename=_shorten(visible(filename.replace("\\", "/").rpartition("/")[2]), FILENAME_KEPT),
        **actor.columns,
        highest_number=max(numbers, default=None),
        rows=len(examined),
        new=new,
        waiting=new,
        unchanged=outcomes.count(RowOutcome.UNCHANGED),
        invalid=outcomes.count(RowOutcome.INVALID),
    )


def _columns(
    upload_id: int, row: FileRow, candidate: Candidate | None, verdict: Verdict
) -> dict[str, Any]:
    slug = verdict.slug or row.slug
    return {
        "upload_id": upload_id,
        "line": row.line,
        "number": None if row.number is None else _shorten(row.number, NUMBER_KEPT),
        "name": candidate.name if candidate else _shorten(row.name, NAME_KEPT),
        "slug": None if slug is None else _shorten(slug, SLUG_KEPT),
        "cells": None if verdict.outcome == RowOutcome.UNCHANGED else json.dumps(row.cells),
        "outcome": verdict.outcome,
        "problems": dumped(verdict.problems),
        "tenant_id": verdict.tenant_id,
    }


def _shorten(text: str, length: int) -> str:
    """The text at the length of its column, without characters that no database stores."""
    cut = text if len(text) <= length else f"{text[: length - 1]}…"
    return storable(cut)
