"""The documents as pages of the panel."""

import re
from urllib.parse import urljoin

from tests.integration.admin.panel import OpenPanel
from webapp.conditions.kinds import KINDS
from webapp.settings import PROJECT_ROOT

DOCUMENTS = PROJECT_ROOT / "docs"


def test_help_opens_with_the_runbook_and_its_faults(panel: OpenPanel) -> None:
    answer = panel.get("/admin/help/")
    assert answer.location == "/admin/help/operations"
    page = panel.page(answer.location)
    rows = re.findall(r"^\| [^-]", (DOCUMENTS / "operations.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 40
    assert page.count("<tr>") == len(rows)
    # In narrow windows the cells stand without the table's head.
    faults = page.count('<td data-label="Fault">')
    assert faults > 20
    for heading in ("On the page", "In the log", "What heals it"):
        assert page.count(f'<td data-label="{heading}">') == faults


def test_each_condition_has_a_section_to_which_its_link_leads(panel: OpenPanel) -> None:
    text = (DOCUMENTS / "operations.md").read_text("utf-8")
    conditions = text.partition("## The conditions\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", conditions, re.MULTILINE) == [kind.key for kind in KINDS]
    page = panel.page("/admin/help/operations")
    for kind in KINDS:
        assert page.count(f'id="{kind.key}"') == 1
    panel.add_tenant()
    assert 'href="/admin/help/operations#no_workers"' in panel.page("/admin/")


def test_each_document_has_a_page_and_its_pictures(panel: OpenPanel) -> None:
    for document in DOCUMENTS.glob("*.md"):
        address, text = f"/admin/help/{document.stem}", document.read_text("utf-8")
        page = panel.page(address)
        assert f'aria-current="page">{text.splitlines()[0].removeprefix("# ")}</a>' in page
        pictures = re.findall(r'<img src="(img/[^"]*)"', page)
        assert len(pictures) == text.count("![")
        for picture in pictures:
            with panel.get(urljoin(address, picture)) as answer:
                assert answer.data.startswith(b"\x89PNG")


def test_nothing_but_the_documents_is_served(panel: OpenPanel) -> None:
    for name in ("nothing", "adr", "..%2FREADME", "img/..%2F..%2FREADME.md", "img/nothing.png"):
        assert panel.get(f"/admin/help/{name}").status_code == 404, name
