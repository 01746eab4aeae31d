"""The tenants' pages: the form and the actions go through the same service as the API."""

import pytest
from apiflask import APIFlask
from webapp.models.states import PartitionState

from tests.access import Visitor
from tests.integration.admin.tenants import add_failed, add_tenant, send, state_of, tenant_of


def test_a_tenant_with_its_request_is_made_when_the_form_is_sent(
    app: APIFlask, operator: Visitor
) -> None:
    token = operator.csrf_token("/admin/tenant/new/")
    form = {"csrf_token": token, "name": "Acme S.p.A.", "slug": ""}
    answer = operator.post("/admin/tenant/new/", form)
    assert answer.location.endswith("/admin/tenant/details/?id=1")
    assert tenant_of(app, 1).slug == "acme-s-p-a"
    assert state_of(app, 1) == PartitionState.PENDING
    page = operator.get("/admin/tenant/details/?id=1").text
    assert "tenant_1" in page
    assert "kb_chunks_v1" in page


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"name": "Other", "slug": "acme"}, "The slug acme is taken by another tenant."),
        ({"name": "  ", "slug": ""}, "Must not be empty."),
        ({"name": "Other", "slug": "No Slug"}, "Must be"),
    ],
)
def test_the_reason_stands_at_its_field_when_the_form_is_refused(
    app: APIFlask, operator: Visitor, form: dict[str, str], reason: str
) -> None:
    add_tenant(app, "Acme")
    token = operator.csrf_token("/admin/tenant/new/")
    answer = operator.post("/admin/tenant/new/", {"csrf_token": token, **form})
    assert answer.status_code == 422
    assert reason in answer.text
    assert 'aria-invalid="true"' in answer.text


def test_the_partition_keeps_its_name_when_a_tenant_is_renamed(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app)
    assert send(operator, f"/admin/tenant/edit/?id={tenant_id}", name="Acme 2", slug="two") == 302
    tenant = tenant_of(app, tenant_id)
    assert (tenant.name, tenant.slug) == ("Acme 2", "two")
    assert tenant.partition is not None
    assert tenant.partition.name == f"tenant_{tenant_id}"


def test_nothing_is_deleted_until_the_question_is_answered(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app, "Acme & Söhne")
    question = operator.get(f"/admin/tenant/delete/?id={tenant_id}").text
    assert "Acme &amp; Söhne" in question
    assert f"tenant_{tenant_id}" in question
    assert tenant_of(app, tenant_id).deleted_at is None
    assert send(operator, "/admin/tenant/delete/", id=str(tenant_id)) == 302
    assert tenant_of(app, tenant_id).deleted_at is not None
    assert state_of(app, tenant_id) == PartitionState.REMOVING


def test_a_retry_says_why_not_when_the_partition_has_not_failed(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app)
    assert send(operator, "/admin/tenant/retry/", tenant_id=str(tenant_id)) == 302
    page = operator.get(f"/admin/tenant/details/?id={tenant_id}").text
    assert f"The partition of tenant {tenant_id} is pending, not failed." in page


def test_a_failed_partition_is_asked_for_again_when_retried(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_failed(app)
    token = operator.csrf_token("/admin/")
    answer = operator.post(
        "/admin/tenant/retry/",
        {"csrf_token": token, "tenant_id": str(tenant_id)},
        headers={"HX-Request": "true"},
    )
    assert "Queued at" in answer.text
    assert state_of(app, tenant_id) == PartitionState.PENDING


@pytest.mark.parametrize("page", ["details", "edit", "delete", "live"])
def test_there_is_no_such_page_when_the_number_is_none(operator: Visitor, page: str) -> None:
    for number in ("", "abc", "-1", "1.5", "0", "9223372036854775808", "²"):
        answer = operator.get(f"/admin/tenant/{page}/", query_string={"id": number})
        assert answer.status_code == 404, number


@pytest.mark.parametrize("name", ["<script>x()</script>", '"><img src=x onerror=x()>', "{{ 7*7 }}"])
def test_a_hostile_name_stays_text_when_shown(app: APIFlask, operator: Visitor, name: str) -> None:
    tenant_id = add_failed(app, name)
    for address in (
        *("/admin/", "/admin/tenant/", "/admin/partitions/", "/admin/partitions/?tab=causes"),
        f"/admin/tenant/details/?id={tenant_id}",
        f"/admin/tenant/delete/?id={tenant_id}",
        f"/admin/tenant/?search={name}",
    ):
        page = operator.get(address).text
        assert "<script>x" not in page, address
        assert "<img src=x" not in page, address
        assert ">49<" not in page, address


def test_a_search_finds_nothing_when_it_is_hostile(app: APIFlask, operator: Visitor) -> None:
    add_tenant(app, "Acme")
    for search in ("' OR 1=1 --", "%", "_", "a" * 5000, "tenant_1; drop"):
        for page in ("tenant", "partitions"):
            answer = operator.get(f"/admin/{page}/", query_string={"search": search})
            assert answer.status_code == 200
            assert "All tenants were searched." in answer.text, search


def test_a_tenant_is_found_when_searched_by_name_slug_or_partition(
    app: APIFlask, operator: Visitor
) -> None:
    add_tenant(app, "Borgo Alto")
    tenant_id = add_tenant(app, "Acme Legal")
    for search in ("me le", "acme-legal", str(tenant_id), f"tenant_{tenant_id}"):
        page = operator.get("/admin/tenant/", query_string={"search": search}).text
        assert "Acme Legal" in page
        assert "Borgo Alto" not in page


def test_deleted_tenants_are_listed_only_when_their_state_is_asked_for(
    app: APIFlask, operator: Visitor
) -> None:
    tenant_id = add_tenant(app, "Acme Gone")
    send(operator, "/admin/tenant/delete/", id=str(tenant_id))
    operator.get("/admin/")
    assert "Acme Gone" not in operator.get("/admin/tenant/?state=ready").text
    assert "Acme Gone" in operator.get("/admin/tenant/?state=removing").text
