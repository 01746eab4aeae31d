"""The tenants' pages: the form and the actions go through the same service as the API."""

from tests.integration.admin.panel import OpenPanel
from webapp.models.states import PartitionState


def test_a_tenant_with_its_request_is_made_when_the_form_is_sent(panel: OpenPanel) -> None:
    token = panel.csrf_token("/admin/tenant/new/")
    form = {"csrf_token": token, "name": "Acme S.p.A.", "slug": ""}
    answer = panel.post("/admin/tenant/new/", form)
    assert answer.location.endswith("/admin/tenant/details/?id=1")
    assert panel.tenant(1).slug == "acme-s-p-a"
    assert panel.state(1) == PartitionState.PENDING
    page = panel.page("/admin/tenant/details/?id=1")
    assert "tenant_1" in page
    assert "kb_chunks_v1" in page


def test_the_reason_stands_at_its_field_when_the_form_is_refused(panel: OpenPanel) -> None:
    panel.add_tenant("Acme")
    token = panel.csrf_token("/admin/tenant/new/")
    for name, slug, reason in (
        ("Other", "acme", "The slug acme is taken by another tenant."),
        ("  ", "", "Must not be empty."),
        ("Other", "No Slug", "Must be"),
    ):
        form = {"csrf_token": token, "name": name, "slug": slug}
        answer = panel.post("/admin/tenant/new/", form)
        assert answer.status_code == 422
        assert reason in answer.text
        assert 'aria-invalid="true"' in answer.text


def test_the_partition_keeps_its_name_when_a_tenant_is_renamed(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    assert panel.send(f"/admin/tenant/edit/?id={tenant_id}", name="Acme 2", slug="two") == 302
    tenant = panel.tenant(tenant_id)
    assert (tenant.name, tenant.slug) == ("Acme 2", "two")
    assert tenant.partition is not None
    assert tenant.partition.name == f"tenant_{tenant_id}"


def test_nothing_is_deleted_until_the_question_is_answered(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant("Acme & Söhne")
    question = panel.page(f"/admin/tenant/delete/?id={tenant_id}")
    assert "Acme &amp; Söhne" in question
    assert f"tenant_{tenant_id}" in question
    assert panel.tenant(tenant_id).deleted_at is None
    assert panel.send("/admin/tenant/delete/", id=tenant_id) == 302
    assert panel.tenant(tenant_id).deleted_at is not None
    assert panel.state(tenant_id) == PartitionState.REMOVING


def test_a_retry_says_why_not_when_the_partition_has_not_failed(panel: OpenPanel) -> None:
    tenant_id = panel.add_tenant()
    assert panel.send("/admin/tenant/retry/", tenant_id=tenant_id) == 302
    page = panel.details(tenant_id)
    assert f"The partition of tenant {tenant_id} is pending, not failed." in page


def test_there_is_no_such_page_when_the_number_is_none(panel: OpenPanel) -> None:
    for page in ("details", "edit", "delete", "live"):
        for number in ("", "abc", "-1", "1.5", "0", "9223372036854775808", "²"):
            answer = panel.get(f"/admin/tenant/{page}/", query_string={"id": number})
            assert answer.status_code == 404, (page, number)


def test_a_hostile_name_stays_text_when_shown(panel: OpenPanel) -> None:
    name = '<script>x()</script> "><img src=x onerror=x()> {{ 7*7 }}'
    tenant_id = panel.add_failed(name)
    for address in (
        *("/admin/", "/admin/tenant/", "/admin/partitions/", "/admin/partitions/?tab=causes"),
        f"/admin/tenant/details/?id={tenant_id}",
        f"/admin/tenant/delete/?id={tenant_id}",
        f"/admin/tenant/?search={name}",
    ):
        page = panel.page(address)
        assert "<script>x" not in page, address
        assert "<img src=x" not in page, address
        assert ">49<" not in page, address


def test_a_search_finds_nothing_when_it_is_hostile(panel: OpenPanel) -> None:
    panel.add_tenant("Acme")
    for search in ("' OR 1=1 --", "%", "_", "a" * 5000, "tenant_1; drop"):
        for page in ("tenant", "partitions"):
            answer = panel.get(f"/admin/{page}/", query_string={"search": search})
            assert answer.status_code == 200
            assert "All tenants were searched." in answer.text, search


def test_a_tenant_is_found_when_searched_by_name_slug_or_partition(panel: OpenPanel) -> None:
    panel.add_tenant("Borgo Alto")
    tenant_id = panel.add_tenant("Acme Legal")
    for search in ("me le", "acme-legal", str(tenant_id), f"tenant_{tenant_id}"):
        page = panel.page("/admin/tenant/", query_string={"search": search})
        assert "Acme Legal" in page
        assert "Borgo Alto" not in page
