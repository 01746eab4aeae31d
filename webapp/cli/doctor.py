"""The command `flask doctor`: the conditions of the installation."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import click
from flask.cli import with_appcontext
from sqlalchemy.exc import SQLAlchemyError

from webapp import current
from webapp.cli.console import as_json, print_json, to_stderr
from webapp.conditions.condition import Condition, worst
from webapp.conditions.judgement import Identity, Own, judge, raised_at
from webapp.conditions.kinds import DATABASE_DOWN, DATABASE_RESTORED
from webapp.conditions.log import UNREACHABLE, of_refusal, of_schema
from webapp.conditions.observations import Observations, observe
from webapp.conditions.tenants import SUSPECTED
from webapp.conditions.words import sentence, serialize
from webapp.db.deadline import answered_within
from webapp.db.schema_revision import SchemaBehind, SchemaRevision, SchemaState
from webapp.models.condition import Severity
from webapp.numbers.witness import databases_known_in
from webapp.processes.beats import beat
from webapp.processes.liveness import processes
from webapp.times import rfc3339

ANSWER_WITHIN_S = 5.0
# Two beats of a process, the second of which may have to connect first.
SIGN_WITHIN_S, POLL_S = 8.0, 0.25
# The row that shows whether the database takes writes.
DOCTOR = "doctor"
EXIT = {None: 0, Severity.INFO: 0, Severity.WARNING: 1, Severity.DANGER: 2}


@click.command("doctor")
@as_json
@click.pass_context
@with_appcontext
def doctor_command(ctx: click.Context, as_json: bool) -> None:
    """Show what is not as it should be, and what to do. Exit 0: nothing, 1: warning, 2: danger.

    It judges by its own settings, and says first for which database and collection.
    """
    to_stderr()
    found = _examine()
    severity, differing, judged_for = worst(found), _differing(), _judged_for()
    if as_json:
        told = {"conditions": [serialize(each) for each in found], "settings_differ": differing}
        print_json({"status": severity or "ok", "judged_for": judged_for, **told})
    else:
        _print_settings(judged_for, differing)
        _print(found)
    ctx.exit(EXIT[severity])


def _examine() -> list[Condition]:
    """The conditions, as the database has them, and those of the database itself."""
    try:
        seen, raised = _look()
        writes = _of_writes()
        if not writes and not seen.processes.alive:
            _await_sign(seen)
            seen, raised = _look()
    except SchemaBehind as behind:
        return [of_schema(_with_its_past(behind.revision))]
    except SQLAlchemyError:
        return [Condition(DATABASE_DOWN, Severity.DANGER, UNREACHABLE)]
    return judge(seen, raised, Own([*writes, *_of_restore(seen)], is_blind=bool(writes)))


def _with_its_past(revision: SchemaRevision) -> SchemaRevision:
    """The revision; where there are no tables, with whether there were some before."""
    if revision.state is SchemaState.EMPTY and databases_known_in(current.settings().var_dir):
        return replace(revision, before=revision.wanted)
    return revision


def _look() -> tuple[Observations, dict[Identity, datetime]]:
    with answered_within(ANSWER_WITHIN_S), current.database().reading() as session:
        return observe(session, current.settings()), raised_at(session)


def _await_sign(seen: Observations) -> None:
    """Wait for a sign of life where all ended.

    Either all processes died, or the database was away and is back: only time tells.
    """
    if not seen.processes.silent:
        return
    click.echo(
        f"No process has shown itself lately: waiting {SIGN_WITHIN_S:g} s for one.", err=True
    )
    give_up_at = time.monotonic() + SIGN_WITHIN_S
    while time.monotonic() < give_up_at:
        time.sleep(POLL_S)
        with answered_within(ANSWER_WITHIN_S):
            if current.database().read(processes).alive:
                return


def _differing() -> list[str]:
    """The settings in which this command differs from every process that works."""
    own = current.settings().digests()
    try:
        with answered_within(ANSWER_WITHIN_S):
            alive = current.database().read(processes).alive
    except (SchemaBehind, SQLAlchemyError):
        return []
    theirs = [json.loads(each.settings) for each in alive]
    return [
        name
        for name, digest in own.items()
        if theirs and all(each.get(name, digest) != digest for each in theirs)
    ]


def _judged_for() -> dict[str, str]:
    """What was looked at: the command's own settings decide that."""
    used = current.settings().in_force()
    return {"database": used["DATABASE_URL"], "collection": used["MILVUS_COLLECTION"]}


def _print_settings(judged_for: Mapping[str, str], differing: Sequence[str]) -> None:
    database, collection = judged_for["database"], judged_for["collection"]
    click.echo(f"Judged for the database {database}, collection {collection}.")
    if differing:
        click.echo(
            "This is not what the processes see that work: they have other settings than this "
            f"command: {', '.join(differing)}. Give it their environment."
        )


def _of_writes() -> list[Condition]:
    """Whether the database takes a write of this process."""
    try:
        with answered_within(ANSWER_WITHIN_S):
            beat(current.database(), DOCTOR)
    except SQLAlchemyError as error:
        return [of_refusal(error)]
    return []


def _of_restore(seen: Observations) -> list[Condition]:
    """A restore that no process has seen yet, since none has started after it."""
    known = seen.summary.restored
    try:
        with answered_within(ANSWER_WITHIN_S):
            is_new = not (known and known.is_pending) and current.services().incarnations.doubt()
    except SQLAlchemyError:
        return []
    return [Condition(DATABASE_RESTORED, Severity.DANGER, SUSPECTED)] if is_new else []


def _print(found: Sequence[Condition]) -> None:
    if not found:
        click.echo("Nothing is wrong.")
    for each in found:
        since = f", since {rfc3339(each.since)}" if each.since else ""
        subject = f" ({each.subject})" if each.subject else ""
        click.echo(f"{each.severity.upper():8} {each.key}{subject}{since}")
        click.echo(f"         {sentence(each.text)}")
        click.echo(f"         {sentence(each.what_to_do)}")
