"""The pages of the import: what they say of a file, and who may do what there."""

import csv
import html
import io
import re

import pytest
from sqlalchemy import select, update
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from tests.access import Visitor
from tests.integration.admin.panel import MOST_QUERIES, OpenPanel
from webapp.csv_import.parsing import MAX_BYTES
from webapp.db.types import utc_now
from webapp.models.csv_import import Upload, UploadState

HOSTILE = "<script>alert(1)</script>"


def choose(visitor: Visitor, content: bytes, name: str = "tenants.csv") -> TestResponse:
    token = visitor.csrf_token("/admin/import/")
    file = FileStorage(io.BytesIO(content), name)
    # Not left to the client, which forgets to close what it makes of a large form.
    boundary, body = encode_multipart({"csrf_token": token, "file": file})
    kind = f"multipart/form-data; boundary={boundary}"
    return visitor.client.post("/admin/import/check/", data=body, content_type=kind)


def checked(visitor: Visitor, text: str) -> str:
    """The address of the page of a file that was taken."""
    answer = choose(visitor, text.encode())
    assert answer.status_code == 303, answer.text
    return answer.location


def number_of(address: str) -> str:
    return address.rpartition("=")[2]


def table(visitor: Visitor, address: str) -> list[list[str]]:
    answer = visitor.get(address)
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
    return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))


def test_a_file_is_shown_with_each_fault_when_it_was_checked(panel: OpenPanel) -> None:
    panel.add_tenant("Acme")
    page = panel.page(checked(panel, "name,slug\nNew,\nOld,acme\n,Bad\n"))
    assert "1 tenant can be created. Nothing has changed yet." in page
    assert "acme belongs to tenant 1" in page
    assert "<b>Name</b> It is empty." in page
    assert "<b>Slug</b> It must be small letters and digits" in page
    assert "1 place is needed in kb_chunks_v1. How many are left is not known" in page


def test_tenants_are_created_and_told_of_when_a_file_is_confirmed(panel: OpenPanel) -> None:
    address = checked(panel, "name,slug\nAcme,\n=1+1,two\nBad,Bad\n")
    upload_id = number_of(address)
    assert panel.send("/admin/import/confirm/", upload_id=upload_id) == 303
    assert panel.tenant(1).name == "Acme"
    page = panel.page(address)
    assert "2 tenants were created. 1 row was left out." in page
    assert "0 of 2 ready" in page
    assert table(panel, f"/admin/import/result.csv?id={upload_id}") == [
        ["line", "name", "slug", "id", "outcome", "message"],
        ["2", "Acme", "acme", "1", "created", ""],
        ["3", "'=1+1", "two", "2", "created", ""],
        [
            "4",
            "Bad",
            "Bad",
            "",
            "invalid",
            table(panel, f"/admin/import/rejects.csv?id={upload_id}")[1][2],
        ],
    ]


def test_the_lack_of_a_reconciler_is_told_while_rows_wait_for_it(panel: OpenPanel) -> None:
    address = checked(panel, "name\nAcme\n")
    assert 'id="no-reconciler"' not in panel.page(address)
    panel.execute(update(Upload).values(state=UploadState.RUNNING))
    page = panel.page(address)
    assert "No reconciler works: nothing is repaired or removed." in page
    assert "goes on by itself" not in page


def test_rejects_are_taken_when_they_were_corrected(panel: OpenPanel) -> None:
    address = checked(panel, "name,slug\n=1+1,Bad\n")
    rejects = panel.get(f"/admin/import/rejects.csv?id={number_of(address)}").get_data()
    again = choose(panel, rejects.replace(b"Bad", b"good"))
    page = panel.page(again.location)
    assert "1 tenant can be created." in page
    assert ">=1+1<" in page


def rejects_of(visitor: Visitor, data: bytes) -> bytes:
    address = choose(visitor, data).location
    return visitor.get(f"/admin/import/rejects.csv?id={number_of(address)}").get_data()


def test_a_name_stays_whole_when_a_file_of_one_column_comes_back(panel: OpenPanel) -> None:
    name = "Rossi, Bianchi e Figli"
    back = rejects_of(panel, f"name\n{name}\n{name}; C\n{name}\n".encode())
    assert back.decode("utf-8-sig").splitlines() == ['"name"', f'"{name}"']
    page = panel.page(choose(panel, back).location)
    assert "1 tenant can be created." in page
    assert f">{name}<" in page


@pytest.mark.parametrize(
    ("first", "delimiter", "encoding"),
    [
        *(("", ";", "utf-8-sig"), ("sep=;\r\n", ";", "utf-16"), ("", "\t", "utf-16")),
        *(("", "|", "utf-8-sig"), ("", ",", "utf-8-sig")),
    ],
)
def test_rejects_come_back_as_they_were_written(
    panel: OpenPanel, first: str, delimiter: str, encoding: str
) -> None:
    cells = ["Slug ", "NAME", ""], ["Bad Slug", '  Zoë\x00 "\'=1" ', "more"], ["ok", "Fine"]
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(cells)
    back = rejects_of(panel, (first + text.getvalue()).encode(encoding)).decode(encoding)
    assert back.startswith(first)
    lines = csv.reader(io.StringIO(back.removeprefix(first), newline=""), delimiter=delimiter)
    header, (*written, message) = lines
    assert header == ["Slug ", "NAME", "", "message"]
    assert written == cells[1]
    assert "Slug: It must be" in message


def test_rejects_are_no_formulas_and_otherwise_as_written(panel: OpenPanel) -> None:
    back = rejects_of(panel, b"name;slug\n=1+1;Bad\n'=2;Bad\nx;Bad,+1\n").decode("utf-8-sig")
    found = [cells[:2] for cells in csv.reader(io.StringIO(back, newline=""), delimiter=";")]
    assert found[1:] == [["'=1+1", "Bad"], ["'=2", "Bad"], ["x", "Bad,'+1"]]


def test_an_export_is_known_when_it_is_imported(panel: OpenPanel) -> None:
    for name in ("x;=1+1;y", "'=quoted", "=1", "Rossi, Bianchi", "Łódź"):
        panel.add_tenant(name)
    sent = panel.client.get("/admin/export/tenants.csv").get_data()
    choose(panel, sent)
    with panel.services.database.reading() as session:
        upload = session.scalars(select(Upload)).one()
    assert (upload.rows, upload.unchanged, upload.keeps_numbers) == (5, 5, True)


def test_nothing_is_left_when_a_file_is_discarded(panel: OpenPanel) -> None:
    address = checked(panel, "name\nAcme\n")
    form = {"upload_id": number_of(address)}
    assert panel.send("/admin/import/discard/", **form) == 303
    assert panel.send("/admin/import/confirm/", **form) == 303
    assert "This file was discarded. Nothing was created." in panel.page(address)
    assert panel.send("/admin/import/confirm/", upload_id="999") == 303
    assert panel.send("/admin/import/confirm/", upload_id="x") == 404
    assert panel.get("/admin/import/show/?id=999").status_code == 404


def test_imported_tenants_get_a_link_to_partitions_when_the_file_has_numbers(
    panel: OpenPanel,
) -> None:
    address = checked(panel, "id,name\n70,Acme\n")
    panel.send("/admin/import/confirm/", upload_id=number_of(address))
    assert not panel.tenant(70).partition.is_requested
    page = panel.page(address)
    assert "1 of them has no partition yet." in page
    (link,) = re.findall(r'href="([^"]+)">Request partitions<', page)
    review = panel.get(html.unescape(link))
    assert review.status_code == 200
    assert "1 partition" in review.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        ("name\nMüller\n".encode("latin-1"), "Line 2 is not written in UTF-8."),
        (b"name,<b>\nA,b\n", "The column “&lt;b&gt;” is not known."),
        (b"name\n" + b"x\n" * 10_001, "The file has more than 10,000 rows."),
        (b"name\n" + b" " * MAX_BYTES, "The file is larger than 4 MB."),
        (b" " * 20 * 1024 * 1024, "The file is larger than 4 MB."),
    ],
)
def test_the_page_says_why_when_a_file_is_refused(
    panel: OpenPanel, content: bytes, said: str
) -> None:
    answer = choose(panel, content)
    assert answer.status_code in {413, 422}
    assert said in answer.text
    assert "Check the file" in answer.text


def test_the_page_says_so_when_no_file_was_chosen(panel: OpenPanel) -> None:
    answer = panel.post("/admin/import/check/", {"csrf_token": panel.csrf_token("/admin/import/")})
    assert answer.status_code == 422
    assert "Choose a file first." in answer.text


def test_hostile_text_is_text_when_it_is_shown(panel: OpenPanel) -> None:
    content = f'name,slug\n"{HOSTILE}",\n"{HOSTILE}","{HOSTILE}"\n'.encode()
    page = panel.page(choose(panel, content, f"{HOSTILE}.csv").location)
    assert "&lt;script&gt;" in page
    assert HOSTILE not in page
    assert HOSTILE not in panel.page("/admin/import/")


def test_viewers_see_files_and_decide_nothing(panel: OpenPanel, viewer: OpenPanel) -> None:
    address = checked(panel, "name\nAcme\n")
    for page in ("/admin/import/", address, address.replace("show", "live")):
        answer = viewer.get(page)
        assert answer.status_code == 200
        assert "import/confirm" not in answer.text
        assert "import/check" not in answer.text
    assert viewer.get("/admin/import/template.csv").status_code == 200
    for name in ("check", "confirm", "discard"):
        assert viewer.send(f"/admin/import/{name}/", upload_id=number_of(address)) == 403
        unsigned = panel.post(f"/admin/import/{name}/", {"upload_id": number_of(address)})
        assert unsigned.status_code == 400


def test_pages_ask_few_questions_when_there_are_many_rows(panel: OpenPanel) -> None:
    bad = "".join(f"Same name,same\nName {n},\n" for n in range(300))
    for _ in range(3):
        address = checked(panel, "name,slug\n" + bad)
    panel.send("/admin/import/confirm/", upload_id=number_of(address))
    live = address.replace("show", "live")
    for page in (address, live, f"{address}&after=100", "/admin/import/?before=3"):
        with panel.counted() as statements:
            assert panel.get(page).status_code == 200
        assert len([s for s in statements if s.startswith("SELECT")]) <= MOST_QUERIES
    assert panel.get(f"{address}&after={10**17}").status_code == 200


def test_the_tenants_of_an_import_are_listed_apart_on_every_page_and_in_the_export(
    panel: OpenPanel,
) -> None:
    panel.add_tenant("Not of the import")
    rows = "".join(f"Of the import {n:02},\n" for n in range(60))
    address = checked(panel, f"name,slug\n{rows}Again,not-of-the-import\n")
    upload_id = number_of(address)
    panel.send("/admin/import/confirm/", upload_id=upload_id)
    page, shown = panel.page(address), 0
    listing: str | None = re.search(r'href="([^"]+)">Show the tenants', page)[1]  # type: ignore[index]
    for _ in range(2):
        assert listing is not None
        page = panel.page(html.unescape(listing))
        assert "Only tenants that import 1 created" in page
        assert "Not of the import" not in page
        assert "of 60" in page
        shown += page.count('<tr id="row-')
        following = re.search(r'rel="next" href="([^"]+)"', page)
        listing = following and following[1]
    assert (shown, listing) == (60, None)
    exported = table(panel, f"/admin/export/tenants.csv?upload={upload_id}")
    assert len(exported) == 61
    found = panel.page(f"/admin/tenant/?upload={upload_id}&search=import+07")
    assert found.count('<tr id="row-') == 1
    review = panel.page(f"/admin/operations/review/?kind=delete&scope=matching&upload={upload_id}")
    assert "60" in review and f'name="upload" value="{upload_id}"' in review


def test_only_failures_and_requests_of_the_import_are_offered_on_its_page(
    panel: OpenPanel,
) -> None:
    panel.add_failed("Not of the import")
    address = checked(panel, "id,name,slug\n40,Of it,of-it\n")
    panel.send("/admin/import/confirm/", upload_id=number_of(address))
    page = html.unescape(panel.page(address))
    request = re.search(r'href="([^"]+)">Request partitions', page)
    assert request and "upload=1" in request[1]
    panel.change(40, state="failed", cause="timeout", state_since=utc_now())
    page = html.unescape(panel.page(address))
    failed = re.search(r'href="([^"]+)">1 failed', page)
    assert failed
    listed = panel.page(failed[1])
    assert "Of it" in listed and "Not of the import" not in listed
