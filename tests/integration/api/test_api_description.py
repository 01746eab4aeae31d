"""The OpenAPI description says what the API does."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from apiflask import APIFlask

from tests.access import Visitor, add_token
from tests.integration.api.caller import ON_SQLITE, Caller

pytestmark = ON_SQLITE

METHODS = {"GET", "POST", "PATCH", "DELETE"}
OPERATIONS = {
    *("list_audit", "create_tenant", "create_tenants", "list_tenants", "get_tenant"),
    *("update_tenant", "delete_tenant", "retry_tenant", "restore_tenant", "get_departure"),
    *(
        "adopt_partition",
        "empty_partition",
        "list_tenant_events",
        "get_partitions_summary",
        "get_health",
    ),
    *("get_partitions_drift", "pause_provisioning", "resume_provisioning"),
    *("list_orphans", "count_orphan", "adopt_orphan", "acknowledge_orphan", "take_back_orphan"),
    "drop_orphan",
    *("list_brakes", "make_partitions_again", "wait_for_collection", "acknowledge_loss"),
    "acknowledge_restore",
}


@pytest.fixture(scope="module")
def spec(api: Caller) -> dict[str, Any]:
    answer = api.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.content_type == "application/json"
    described: dict[str, Any] = answer.json
    return described


def operations(spec: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for item in spec["paths"].values():
        yield from item.values()


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict | list):
            yield from nodes(inner)


def test_description_is_openapi_3_1_when_asked_for(spec: dict[str, Any]) -> None:
    assert spec["openapi"] == "3.1.0"
    assert spec["info"]["title"] and spec["info"]["version"]
    assert spec["components"]["securitySchemes"]["bearer"] == {
        "type": "http",
        "scheme": "bearer",
        "description": "An API token.",
    }
    assert {"bearer": []} in spec["security"]


def test_operations_have_names_when_clients_are_generated(spec: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(spec)]
    assert len(names) == len(set(names))
    assert set(names) == OPERATIONS
    assert all(operation["summary"] and operation["tags"] for operation in operations(spec))


def test_every_endpoint_is_described_when_it_is_below_the_api(
    spec: dict[str, Any], app: APIFlask
) -> None:
    served = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.endpoint not in {"api.page", "api.description"}
        for method in (rule.methods or set()) & METHODS
    }
    described = {(path, method) for path, item in spec["paths"].items() for method in item}
    assert described == served


def test_every_reference_leads_to_a_schema_when_followed(spec: dict[str, Any]) -> None:
    references = {node["$ref"] for node in nodes(spec) if "$ref" in node}
    known = {f"#/components/schemas/{name}" for name in spec["components"]["schemas"]}
    assert references <= known
    assert {name.rpartition("/")[2] for name in references} == set(spec["components"]["schemas"])


def test_no_default_is_null_when_the_schema_does_not_allow_it(spec: dict[str, Any]) -> None:
    assert not [node for node in nodes(spec) if node.get("default", "") is None]


def test_errors_are_problems_when_described(spec: dict[str, Any]) -> None:
    with_body = [each for each in operations(spec) if "requestBody" in each]
    assert len(with_body) == 9
    for operation in with_body:
        assert {"400", "409", "413", "415", "422"} <= set(operation["responses"])
    for operation in operations(spec):
        errors = {code: said for code, said in operation["responses"].items() if code >= "4"}
        assert {"401", "403", "500", "503"} <= set(errors)
        # That is the server's, and not the API's.
        errors.pop("414", None)
        for said in errors.values():
            assert list(said["content"]) == ["application/problem+json"]


def test_answers_have_the_described_fields_when_asked_for(
    spec: dict[str, Any], api: Caller
) -> None:
    schemas = spec["components"]["schemas"]
    tenant = api.tenant()
    page = api.get(f"/tenants/{tenant['id']}/events").json
    for name, answer in {
        "Tenant": tenant,
        "Partition": tenant["partition"],
        "TenantPage": api.get("/tenants").json,
        "EventPage": page,
        "Event": page["items"][0],
        "Summary": api.get("/partitions/summary").json,
        "Drift": api.get("/partitions/drift").json,
    }.items():
        assert list(answer) == list(schemas[name]["properties"]) == schemas[name]["required"]


def test_servers_are_not_taken_from_the_first_caller_when_its_host_is_forged(
    app: APIFlask, spec: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {add_token(app)}", "Host": "evil.example"}
    answer = app.test_client().get("/api/openapi.json", headers=headers)
    assert answer.json == spec
    assert "evil" not in json.dumps(spec)


def test_nothing_is_described_elsewhere_when_asked_without_a_login(app: APIFlask) -> None:
    visitor = Visitor(app)
    for path in ("/openapi.json", "/docs"):
        assert visitor.get(path).status_code in {302, 404}


def test_page_loads_only_our_own_files_when_shown(app: APIFlask, api: Caller) -> None:
    page = api.get("/docs")
    assert page.status_code == 200
    files = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert all(file.startswith("/") and not file.startswith("//") for file in files)
    for file in (file for file in files if file.startswith("/static/")):
        with app.test_client().get(file, buffered=True) as answer:
            assert answer.status_code == 200
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)
