"""The command `flask audit`: who did what, when, and from where."""

from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import Any

import click
from flask.cli import with_appcontext

from webapp import current
from webapp.audit.search import AuditFilter, Entry, every
from webapp.cli.console import as_json, number, print_json
from webapp.db.types import utc_now
from webapp.logs import configure_logging
from webapp.models.audit import Via
from webapp.times import UnusableMoment, parse_moment_or_age, rfc3339


class Moment(click.ParamType[datetime]):
    """A time in RFC 3339 (UTC without a zone), or how long ago: 90m, 24h, 7d."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_moment_or_age(value, utc_now())
        except UnusableMoment:
            self.fail(f"{value!r} is no time: 2026-03-01T09:30:00Z, 90m, 24h or 7d", param, ctx)


MOMENT = Moment()


@click.command("audit")
@click.option("--actor", default="", help="An e-mail address, a token's name, or cli.")
@click.option("--action", default="", help="Such as tenant.rename.")
@click.option("--tenant-id", type=number)
@click.option(
    "--via", type=click.Choice([str(via) for via in Via]), help="The interface of the request."
)
@click.option("--text", default="", help="A part of anything that an entry says.")
@click.option("--request-id", default="")
@click.option("--since", type=MOMENT, help="A time, or how long ago: 24h, 7d.")
@click.option("--until", type=MOMENT, help="A time, or how long ago.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@as_json
@with_appcontext
def audit_command(via: str | None, limit: int, as_json: bool, **criteria: Any) -> None:
    """Who did what, when, and from where; newest first."""
    configure_logging(current.settings(), stream="stderr")
    entry_filter = AuditFilter(via=Via(via) if via else None, **criteria)
    runs = every(current.database(), entry_filter, min(limit, 1000))
    entries = list(islice(chain.from_iterable(runs), limit))
    if as_json:
        print_json([{**asdict(entry), "at": rfc3339(entry.at)} for entry in entries])
        return
    for entry in entries:
        click.echo(_line(entry))
    if not entries:
        click.echo("Nothing was found.", err=True)


def _line(entry: Entry) -> str:
    target = f"tenant {entry.tenant_id}" if entry.tenant_id else entry.target
    origin = " ".join(filter(None, (entry.via, entry.address)))
    parts = (rfc3339(entry.at), entry.actor, origin, entry.action, target, _change(entry))
    # An error message may hold line breaks.
    return "  ".join(" ".join(part.split()) for part in parts if part)


def _change(entry: Entry) -> str:
    keys = [key for key in {**entry.before, **entry.after} if _value(entry, key)]
    return ", ".join(f"{key}: {_value(entry, key)}" for key in keys)


def _value(entry: Entry, key: str) -> str:
    before, after = entry.before.get(key), entry.after.get(key)
    if key not in entry.after:
        return f"{before} ->"
    if key not in entry.before:
        return str(after)
    return "" if before == after else f"{before} -> {after}"
