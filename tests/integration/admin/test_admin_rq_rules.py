"""Every rule of rq-dashboard: its changes, and what is planted in Redis for it."""

from collections.abc import Iterator
from urllib.parse import quote

from apiflask import APIFlask
from rq.utils import utcformat
from sqlalchemy import select

from tests.access import Visitor
from tests.integration.admin.panel import OpenPanel
from webapp.db.types import utc_now
from webapp.models.audit import AuditEntry
from webapp.models.states import PartitionState

CHANGES = {"delete_job_view", "requeue_job_view", "requeue_all", "empty_queue", "compact_queue"}
HOSTILE = "');alert(1);('"
MARKUP = "<img src=x onerror=alert(1)>"
JOB_FIELDS = (
    *("created_at", "data", "description", "started_at", "ended_at", "enqueued_at", "origin"),
    *("status", "timeout", "result_ttl", "meta", "dependency_ids", "last_heartbeat"),
    "retries_left",
)


def status_of(visitor: Visitor, method: str, address: str, token: str = "") -> int:
    """The answer's status; files among the answers are closed."""
    headers = {"X-CSRFToken": token} if token else {}
    with visitor.client.open(address, method=method, headers=headers) as answer:
        return answer.status_code


def rules(admin: OpenPanel, job_id: str) -> Iterator[tuple[str, str]]:
    """The dashboard's endpoints, each with an address of something that is there."""
    values: dict[str, str | int] = {
        **{"queue_name": admin.job_queue.queue.name, "registry_name": "failed", "job_id": job_id},
        **{"instance_number": 0, "per_page": 8, "order": "asc", "page": 1},
        "filename": "css/main.css",
    }
    for rule in admin.app.url_map.iter_rules():
        if rule.endpoint.startswith("rq_dashboard."):
            there = {name: values[name] for name in rule.arguments}
            built = rule.build(there, append_unknown=False)
            assert built is not None
            yield rule.endpoint.partition(".")[2], built[1]


def all_of(admin: OpenPanel) -> dict[bytes, bytes | None]:
    redis, name = admin.job_queue.connection, admin.job_queue.queue.name
    keys = [*redis.scan_iter(f"rq:*{name}*"), *redis.scan_iter("rq:job:t*")]
    return {key: redis.dump(key) for key in keys}


def test_every_change_is_one_when_an_admin_posts_it_with_the_token(admin: OpenPanel) -> None:
    for endpoint in CHANGES:
        job_id = admin.add_failed_job()
        before = all_of(admin)
        (address,) = [at for name, at in rules(admin, job_id) if name == endpoint]
        answer = admin.post(address, headers={"X-CSRFToken": admin.csrf_token("/logout")})
        assert (answer.status_code, answer.json["status"]) == (200, "OK"), address
        assert (all_of(admin) != before) == (endpoint != "compact_queue"), address


def test_actions_are_in_the_audit_when_an_admin_does_them(admin: OpenPanel) -> None:
    one, two = admin.add_failed_job(), admin.add_failed_job()
    queue = admin.job_queue.queue.name
    headers = {"X-CSRFToken": admin.csrf_token("/logout")}
    for address in (
        *(f"/rq/job/{one}/requeue", f"/rq/job/{one}/requeue", f"/rq/job/{one}/delete"),
        *("/rq/job/t99-g1-d1/delete", f"/rq/requeue/{queue}", f"/rq/queue/{queue}/queued/empty"),
    ):
        admin.post(address, headers=headers)
    entries = admin.rows(select(AuditEntry).where(AuditEntry.action.startswith("job.")))
    told = [(entry.action, entry.target, entry.tenant_id) for entry in entries]
    number = int(one.partition("-")[0][1:])
    assert told == [
        ("job.requeue", f"job {one}", number),
        ("job.delete", f"job {one}", number),
        ("job.requeue", f"queue {queue}, failed", None),
        ("job.delete", f"queue {queue}, queued", None),
    ]
    assert two


def test_a_queue_is_not_found_when_its_name_would_end_a_string(admin: OpenPanel) -> None:
    token = admin.csrf_token("/logout")
    for name in (HOSTILE, MARKUP, "a\\", "a\nb", "x" * 300):
        quoted = quote(name)
        for address in (
            f"/rq/0/view/jobs/{quoted}/queued/8/asc/1",
            f"/rq/0/data/jobs/{quoted}/queued/8/asc/1.json",
        ):
            assert status_of(admin, "GET", address) == 404, address
        for address in (f"/rq/queue/{quoted}/queued/empty", f"/rq/requeue/{quoted}"):
            assert status_of(admin, "POST", address, token) == 404, address


def test_names_are_escaped_when_the_dashboards_scripts_hold_them(app: APIFlask) -> None:
    with app.test_request_context():
        script = app.jinja_env.from_string("{% include 'rq_dashboard/scripts/jobs.js' %}")
        text = script.render(
            queue={"name": HOSTILE}, registry_name="x", per_page=8, page=1, order="asc"
        )
    assert HOSTILE not in text


def test_a_page_is_not_found_when_there_can_be_none(admin: OpenPanel) -> None:
    name = admin.job_queue.queue.name
    none = ("0/asc/1", "201/asc/1", "8/asc/0", "8/asc/99999999", "8/up/1", "9" * 30 + "/asc/1")
    for rest in none:
        for registry in ("queued", "failed"):
            address = f"/rq/0/data/jobs/{name}/{registry}/{rest}.json"
            assert admin.get(address).status_code == 404, address


def test_no_page_breaks_when_a_field_of_a_job_is_garbage(admin: OpenPanel) -> None:
    token = admin.csrf_token("/logout")
    for field in JOB_FIELDS:
        job_id = admin.add_failed_job(**{field: b"\xff\x80<x>"})
        asked = sorted(rules(admin, job_id), key=lambda rule: rule[0] in CHANGES)
        for endpoint, address in asked:
            method = "POST" if endpoint in CHANGES else "GET"
            status = status_of(admin, method, address, token)
            assert status in {200, 308, 404, 422}, (field, address)


def test_no_page_breaks_when_a_field_of_a_worker_is_garbage(admin: OpenPanel) -> None:
    redis, key, heard = admin.job_queue.connection, f"rq:worker:{MARKUP}", utcformat(utc_now())
    ours = {"state": "idle", "birth": heard, "last_heartbeat": heard, "application": "paratia"}
    redis.sadd("rq:workers", key)
    for field in ("birth", "last_heartbeat", "queues", "current_job", "state"):
        redis.delete(key)
        redis.hset(key, mapping={**ours, field: b"\xff\x80<x>"})
        for address in ("/rq/0/data/workers.json", "/rq/0/view/workers"):
            assert admin.get(address).status_code in {200, 404, 422}, (field, address)
        page = admin.get("/admin/partitions/?tab=queues")
        assert page.status_code == 200, field
        assert MARKUP not in page.text


def test_a_job_leads_to_its_tenant_when_its_page_opens(admin: OpenPanel) -> None:
    tenant_id = admin.add_tenant()
    page = admin.page(f"/rq/0/view/job/t{tenant_id}-g1-d1")
    assert f'href="/admin/tenant/details/?id={tenant_id}"' in page


def test_requeue_is_refused_with_the_reason_when_it_would_do_nothing(admin: OpenPanel) -> None:
    headers = {"X-CSRFToken": admin.csrf_token("/logout")}
    queue = admin.job_queue.queue.name
    for values, reason in (
        ({"state": PartitionState.READY}, "is ready now"),
        ({"state": PartitionState.PROVISIONING}, "is provisioning now"),
        ({"state": PartitionState.PENDING, "attempts": 0}, "is pending now"),
        ({"claimed_job_id": "t9-g9-d9"}, "was made, by t9-g9-d9"),
    ):
        job_id = admin.add_failed_job()
        number = int(job_id.partition("-")[0][1:])
        admin.change(number, **values)
        answer = admin.post(f"/rq/job/{job_id}/requeue", headers=headers)
        assert (answer.status_code, reason in answer.text) == (409, True), answer.text
        assert admin.post(f"/rq/requeue/{queue}", headers=headers).json["count"] == 0
    assert (
        admin.rows(select(AuditEntry.action).where(AuditEntry.action == "job.requeue"))
        == ["job.requeue"] * 4
    )
    job_id = admin.add_failed_job()
    admin.change(int(job_id.partition("-")[0][1:]), state=PartitionState.PENDING, attempts=1)
    assert admin.post(f"/rq/job/{job_id}/requeue", headers=headers).status_code == 200
    assert 'id="refused"' in admin.page("/rq/")
