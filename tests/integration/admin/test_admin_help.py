"""The documents as pages of the panel."""

import re
from urllib.parse import urljoin

from tests.access import Visitor
from webapp.settings import PROJECT_ROOT

DOCUMENTS = PROJECT_ROOT / "docs"


def test_help_opens_with_each_fault_and_what_heals_it(operator: Visitor) -> None:
    answer = operator.get("/admin/help/")
    assert answer.location == "/admin/help/operations"
    page = operator.get(answer.location).text
    rows = re.findall(r"^\| [^-]", (DOCUMENTS / "operations.md").read_text("utf-8"), re.MULTILINE)
    assert len(rows) > 40
    assert page.count("<tr>") == len(rows)
    # In narrow windows the cells stand without the table's head.
    for heading in ("Fault", "On the page", "In the log", "What heals it"):
        assert page.count(f'<td data-label="{heading}">') == len(rows) - 1


def test_each_document_has_a_page_and_its_pictures(operator: Visitor) -> None:
    for document in DOCUMENTS.glob("*.md"):
        address, text = f"/admin/help/{document.stem}", document.read_text("utf-8")
        page = operator.get(address).text
        assert f'aria-current="page">{text.splitlines()[0].removeprefix("# ")}</a>' in page
        pictures = re.findall(r'<img src="(img/[^"]*)"', page)
        assert len(pictures) == text.count("![")
        for picture in pictures:
            with operator.get(urljoin(address, picture)) as answer:
                assert answer.data.startswith(b"\x89PNG")


def test_nothing_but_the_documents_is_served(operator: Visitor) -> None:
    for name in ("nothing", "adr", "..%2FREADME", "img/..%2F..%2FREADME.md", "img/nothing.png"):
        assert operator.get(f"/admin/help/{name}").status_code == 404, name
