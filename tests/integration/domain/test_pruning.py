"""Pruning: what is old goes in small batches to the archive, and what is needed stays."""

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.exc import DatabaseError

from jobs.pruning import pruner as pruning
from jobs.pruning.pruner import Pruner
from tests.factories import ACTOR, FaultyStore, Product, all_at_once
from tests.integration.domain.activity_log import ago
from tests.processes import process
from webapp.audit.permits import permitted
from webapp.db.types import utc_now
from webapp.models.audit import AuditEntry, Via
from webapp.models.causes import Cause
from webapp.models.csv_import import Upload, UploadRow
from webapp.models.operation import Operation, OperationKind
from webapp.models.partition import PartitionEvent
from webapp.models.retention import Retention
from webapp.operations.selection import Selection
from webapp.retention import pruned_timeline, stalled

LONG_AGO = timedelta(days=400)


def pruner(product: Product, **settings: Any) -> Pruner:
    return Pruner(product.database, product.settings.model_copy(update=settings))


def prune(product: Product, **settings: Any) -> int:
    """A whole pass over all kinds, whatever rests; returns how many entries were pruned."""
    product.rollup.roll_up()
    product.write(update(Retention).values(ended_at=ago(days=2)))
    return sum(iter(pruner(product, **settings).prune, 0))


def age_events(product: Product, by: timedelta = LONG_AGO) -> None:
    for row in product.select(select(PartitionEvent)):
        aged = update(PartitionEvent).where(PartitionEvent.id == row.id)
        product.write(aged.values(at=row.at - by))


def add_audit(product: Product, count: int, at: datetime) -> None:
    entry = {"actor": "user:a@example.test", "via": Via.PANEL, "action": "tenant.rename", "at": at}
    product.write(insert(AuditEntry), [entry] * count)


def pruned_of(product: Product, tenant_id: int) -> tuple[int, datetime] | None:
    row = product.read(pruned_timeline, tenant_id)
    return row and (row.entries, row.until)


def lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"{kind}-*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_old_entries_go_when_a_tenant_can_be_judged_without_them(product: Product) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    product.services.tenants.retry(tenant.id, actor=ACTOR)
    product.make_ready(tenant)
    for _ in range(2):
        product.change(tenant, state="failed", cause=Cause.TIMEOUT)
        product.services.tenants.retry(tenant.id, actor=ACTOR)
        product.make_ready(tenant)
    age_events(product)
    last = product.events(tenant)[-4].at
    assert prune(product) == 14
    kept = ["requested", "created", "retried", "dispatched", "creating", "created"]
    assert product.event_names(tenant) == kept
    assert pruned_of(product, tenant.id) is not None
    entries, until = pruned_of(product, tenant.id) or (0, last)
    assert (entries, until < last) == (14, True)
    assert prune(product) == 0


def test_the_last_request_of_a_human_stays_when_the_sweep_goes_on_trying(simple: Product) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    for cause in (Cause.RATE_LIMITED, Cause.TIMEOUT, Cause.TIMEOUT):
        simple.age(tenant, "reopen_at")
        simple.repair.reopen(simple.collection, [])
        simple.fail(tenant, cause)
    age_events(simple)
    prune(simple)
    steps = ["requested", "reopened", "dispatched", "creating", "create_failed"]
    assert simple.event_names(tenant) == steps
    assert simple.events(tenant)[-1].count == 2


def test_nothing_goes_when_it_is_young_or_kept_for_ever_or_not_counted_yet(
    simple: Product,
) -> None:
    tenant = simple.create_failed(Cause.TIMEOUT)
    simple.services.tenants.retry(tenant.id, actor=ACTOR)
    age_events(simple, timedelta(days=100))
    assert prune(simple) == 0
    assert prune(simple, retain_events=0.0) == 0
    simple.write("DELETE FROM heartbeat")
    assert pruner(simple, retain_events=90 * 86_400.0).prune() == 0
    assert prune(simple, retain_events=90 * 86_400.0) > 0


def test_the_record_stays_when_the_timeline_of_a_removed_tenant_goes(whole: Product) -> None:
    tenant = whole.create_ready()
    whole.delete(tenant)
    whole.remove_due()
    age_events(whole)
    prune(whole)
    assert whole.events(tenant) == []
    assert whole.departure(tenant).outcome == "absent"


def test_the_audit_is_pruned_with_one_entry_that_says_so(product: Product) -> None:
    add_audit(product, 1200, ago(days=400))
    add_audit(product, 2, ago(days=300))
    assert prune(product) == 1200
    *kept, entry = product.audited()
    assert len(kept) == 2
    assert (entry.actor, entry.via, entry.action) == ("sweep", None, "audit.prune")
    after = json.loads(entry.after or "")
    assert after["entries"] == 1200
    assert datetime.fromisoformat(after["until"]) < ago(days=364)
    # Where nothing is old, nothing is recorded.
    assert prune(product) == 0
    assert len(product.audited()) == 3


@pytest.mark.parametrize("days", [400, 1])
def test_no_permit_lets_young_entries_be_deleted_or_old_ones_be_changed(
    product: Product, days: int
) -> None:
    add_audit(product, 1, ago(days=400))
    (entry,) = product.audited()
    add_audit(product, 1, ago(days=1))
    statements = ["DELETE FROM audit_entry", "UPDATE audit_entry SET action = 'x'"]
    for statement in statements:
        with (
            pytest.raises(DatabaseError, match="only ever added to"),
            product.database.transaction() as session,
            # This entry records no pruning.
            permitted(session, entry.id, cut_off=ago(days=days)),
        ):
            session.connection().exec_driver_sql(statement)
    prune(product)
    assert [each.action for each in product.audited()] == ["tenant.rename", "audit.prune"]
    number = product.audited()[-1].id
    for statement in statements:
        with (
            pytest.raises(DatabaseError, match="only ever added to"),
            product.database.transaction() as session,
            permitted(session, number, cut_off=utc_now(), pseudonym="erased-user-1"),
        ):
            session.connection().exec_driver_sql(statement)
    assert product.select(select(Retention.entry_id).where(Retention.name == "audit_entry"))
    with product.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT * FROM audit_permit").all() == []


def test_operations_and_imports_go_when_they_were_over_long_ago(product: Product) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    over = product.retry_failed()
    product.make_ready(tenant)
    product.services.operations.settle()
    open_one = product.operate(OperationKind.DELETE, Selection(tenant_ids=(tenant.id,)))
    uploads = product.services.uploads
    for name in ("a", "b"):
        upload = uploads.check(f"{name}.csv", f"name\n{name}\n".encode(), actor=ACTOR)
        uploads.confirm(upload.id, actor=ACTOR)
    long_ago = ago(days=100)
    product.write(update(Operation).values(asked_at=long_ago))
    product.write(update(Operation).where(Operation.id == over.id).values(settled_at=long_ago))
    product.write(update(Operation).where(Operation.id == open_one.id).values(state="finished"))
    aged = {"uploaded_at": long_ago, "finished_at": long_ago}
    product.write(update(Upload).where(Upload.filename == "a.csv").values(**aged))
    assert prune(product) == 2
    assert product.select(select(Operation.id)) == [open_one.id]
    assert product.select(select(Upload.filename)) == ["b.csv"]
    assert len(product.select(select(UploadRow.name))) == 1


def test_pruning_goes_on_where_it_stopped_and_does_a_bounded_part_each_time(
    product: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "A_CALL_S", 0)
    add_audit(product, 500, ago(days=400))
    assert [pruner(product).prune() for _ in range(5)] == [200, 200, 100, 0, 0]
    (row,) = product.select(select(Retention).where(Retention.name == "audit_entry"))
    assert (row.pruned, row.ended_at is not None) == (500, True)
    assert [each.action for each in product.audited()] == ["audit.prune"]


def test_a_longer_retention_is_heeded_in_the_middle_of_a_pass(
    simple: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pruning, "A_CALL_S", 0)
    add_audit(simple, 400, ago(days=400))
    assert pruner(simple).prune() == 200
    assert pruner(simple, retain_audit=500 * 86_400.0).prune() == 0
    assert len(simple.audited("tenant.rename")) == 200


def test_each_entry_goes_once_when_many_prune_at_once(product: Product, tmp_path: Path) -> None:
    add_audit(product, 900, ago(days=400))
    product.rollup.roll_up()
    pruners = [pruner(product, archive_dir=tmp_path) for _ in range(4)]
    counts = all_at_once([each.prune for each in pruners])
    assert sum(counts) + sum(iter(pruners[0].prune, 0)) == 900
    assert [each.action for each in product.audited()] == ["audit.prune"]
    assert len({line["id"] for line in lines(tmp_path, "audit_entry")}) == 900


def test_the_archive_has_every_column_of_what_was_pruned(product: Product, tmp_path: Path) -> None:
    tenant = product.create_failed(Cause.TIMEOUT)
    product.services.tenants.retry(tenant.id, actor=ACTOR)
    age_events(product)
    before = {row.id: row for row in product.events(tenant)}
    assert prune(product, archive_dir=tmp_path) == 7
    archived = lines(tmp_path, "partition_event")
    assert {each["id"] for each in archived} == before.keys() - {
        row.id for row in product.events(tenant)
    }
    failed = archived[-1]
    row = before[failed["id"]]
    assert failed.keys() == {column.key for column in PartitionEvent.__table__.columns}
    assert (failed["event"], failed["cause"]) == ("milvus.partition.create_failed", "timeout")
    assert datetime.fromisoformat(failed["at"]) == row.at
    assert [file.stat().st_mode & 0o777 for file in tmp_path.glob("*.jsonl")] == [0o600]


def test_no_entry_is_lost_when_the_process_dies_between_archive_and_deletion(
    product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_audit(product, 3, ago(days=400))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pruning, "_move", die)
        with pytest.raises(KeyboardInterrupt):
            prune(product, archive_dir=tmp_path, retain_events=0.0)
    (file,) = tmp_path.iterdir()
    # The machine died in the middle of a line.
    file.write_bytes(file.read_bytes() + b'{"id": 3, "at')
    assert len(product.audited("tenant.rename")) == 3
    assert pruner(product, archive_dir=tmp_path).prune() == 3
    archived = lines(tmp_path, "audit_entry")
    assert [each["id"] for each in archived] == [1, 2, 3] * 2
    assert archived[:3] == archived[3:]


def test_nothing_is_deleted_and_it_is_told_when_the_disk_is_full(
    product: Product, tmp_path: Path
) -> None:
    add_audit(product, 3, ago(days=400))
    month = f"{ago(days=400):%Y-%m}"
    full = tmp_path / f"audit_entry-{month}.jsonl"
    full.symlink_to("/dev/full")
    for _ in range(2):
        assert prune(product, archive_dir=tmp_path) == 0
        assert len(product.audited("tenant.rename")) == 3
    (trouble,) = product.read(stalled)
    assert trouble.name == "audit_entry"
    assert "No space left on device" in (trouble.error or "")
    full.unlink()
    assert prune(product, archive_dir=tmp_path) == 3
    assert product.read(stalled) == []


def test_nothing_is_deleted_when_the_archive_is_not_mounted(
    simple: Product, tmp_path: Path
) -> None:
    add_audit(simple, 3, ago(days=400))
    nowhere = tmp_path / "nowhere"
    assert prune(simple, archive_dir=nowhere) == 0
    assert len(simple.read(stalled)) == 1
    assert not nowhere.exists()
    # Kept for ever, it needs no archive.
    prune(simple, archive_dir=nowhere, retain_audit=0.0)
    assert simple.read(stalled) == []


def test_nothing_goes_while_processes_disagree_about_what_is_kept(simple: Product) -> None:
    add_audit(simple, 3, ago(days=400))
    for name, value in {"mine": simple.settings.digests(), "other": {"RETAIN_AUDIT": "x"}}.items():
        with simple.database.transaction() as session:
            session.add(process(name=name, settings=value))
    assert prune(simple) == 0
    simple.write("DELETE FROM process WHERE name = 'other'")
    assert prune(simple) == 3


def test_a_sweep_prunes(simple: Product) -> None:
    add_audit(simple, 3, ago(days=400))
    simple.sweep(FaultyStore())
    assert [each.action for each in simple.audited()] == ["audit.prune"]
