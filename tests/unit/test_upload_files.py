"""Uploaded files: what is read as rows, and what is refused with its reason."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webapp.csv_import.faults import FileFault, UnreadableFile
from webapp.csv_import.parsing import MAX_BYTES, MAX_ROWS, FileRow, Layout, parse
from webapp.tenants.csv_cells import guarded, unguarded, written

# Texts in which delimiters, quotation marks and starts of formulas are frequent.
CELLS = st.lists(st.text(st.sampled_from("=+-@＝\t\r\n'\" ,;|x") | st.characters()), max_size=4)


def rows(text: str) -> list[FileRow]:
    return list(parse(text.encode()).rows)


def refusal(data: bytes) -> tuple[FileFault, int, str]:
    with pytest.raises(UnreadableFile) as caught:
        parse(data)
    return caught.value.fault, caught.value.line, caught.value.column


@pytest.mark.parametrize(
    "text",
    [
        "name,slug\nAcme,acme\n",
        "\ufeffname,slug\r\nAcme,acme\r\n",
        "Slug;NAME\nacme;Acme",
        '\n\n"name" , slug ,,\n\n"Acme",acme,,\n,,\n'.replace('"name" ', '"name"'),
        "line,name,slug,outcome,message\n9,Acme,acme,invalid,too bad\n",
        "name,slug\rAcme,acme\r",
        "sep=;\r\nname;slug\r\nAcme;acme\r\n",
        '\ufeff"sep=|"\nname|slug\nAcme|acme\n',
        "name\tslug\nAcme\tacme\n",
        "Slug ; Name;\nacme;Acme;\n;;\n;;\n",
        "id,name,slug,status,state\n,Acme,acme,active,ready\n".replace("id,", "line,", 1),
    ],
)
def test_a_row_is_read_when_the_file_is_written_in_another_way(text: str) -> None:
    (row,) = rows(text)
    assert (row.name, row.slug, row.number, row.has_too_many_cells) == ("Acme", "acme", None, False)


def test_lines_are_those_of_the_file_when_a_cell_has_several() -> None:
    found = rows('name\n"two\nlines"\n\nNext\n')
    assert [(row.line, row.name) for row in found] == [(2, "two\nlines"), (5, "Next")]


def test_numbers_are_kept_when_the_file_has_a_column_for_them() -> None:
    table = parse(b"id,name\n7,Acme\n,None\n")
    assert table.keeps_numbers
    assert [row.number for row in table.rows] == ["7", ""]


def test_a_row_says_so_when_it_has_more_cells_than_the_header() -> None:
    found = rows("name,slug\nAcme, Inc.,acme\nAcme\n")
    assert [row.has_too_many_cells for row in found] == [True, False]


@pytest.mark.parametrize("name", ["Rossi, Bianchi e Figli", "A;B", "A\tB", "A|B", "a;b,c\td|e"])
def test_a_name_stays_whole_when_the_file_has_one_column(name: str) -> None:
    assert [row.name for row in rows(f"\n Name \n{name}\n")] == [name]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_header_says_the_delimiter_when_names_hold_others(delimiter: str) -> None:
    name = "a,,,b;;;c|||d".replace(delimiter, "")
    (row,) = rows(f'slug{delimiter}name\n"x"{delimiter}{name}\n')
    assert (row.slug, row.name) == ("x", name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_file_is_read_when_it_says_its_encoding(encoding: str) -> None:
    table = parse("name\tslug\nMüller & 東京\tm\n".encode(encoding))
    assert [row.name for row in table.rows] == ["Müller & 東京"]
    assert (table.layout.encoding, table.layout.delimiter) == (encoding, "\t")
    assert Layout.from_json(table.layout.as_json()) == table.layout


def test_a_cell_is_a_fault_of_its_row_when_it_is_huge() -> None:
    assert [len(row.name) for row in rows("name\n" + "x" * 200_000)] == [200_000]


@given(names=st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1)))
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_names_come_back_when_an_export_is_imported(encoding: str, names: list[str]) -> None:
    sent = written([["id", "name", "slug"], *([n, name, f"t{n}"] for n, name in enumerate(names))])
    if names:
        assert [row.name for row in parse(sent.encode(encoding)).rows] == names


@pytest.mark.parametrize(
    ("data", "fault", "line", "column"),
    [
        (b"", FileFault.EMPTY, 1, ""),
        (b"\xef\xbb\xbf\r\n , \r\n", FileFault.EMPTY, 1, ""),
        (b"name,slug\n", FileFault.NO_ROWS, 1, ""),
        (b"PK\x03\x04rest", FileFault.WORKBOOK, 1, ""),
        (b"\xff\xfea", FileFault.NOT_TEXT, 1, ""),
        ("name\rA\rMüller".encode("latin-1"), FileFault.NOT_UTF8, 3, ""),
        ("name\nMüller".encode("latin-1"), FileFault.NOT_UTF8, 2, ""),
        ("name\nAcme".encode("utf-16-le"), FileFault.NOT_TEXT, 1, ""),
        (b"Acme,acme\n", FileFault.COLUMN_MISSING, 1, "name"),
        (b"name,E-Mail\nAcme,a@b\n", FileFault.COLUMN_UNKNOWN, 1, "E-Mail"),
        (b"name,slug,Name\nA,b,C\n", FileFault.COLUMN_TWICE, 1, "name"),
        (b'name\nAcme\n"open\nend', FileFault.BROKEN, 3, ""),
        (b'name\n"Acme"x\n', FileFault.BROKEN, 2, ""),
        (b"name\n" + b"x\n" * (MAX_ROWS + 1), FileFault.TOO_MANY_ROWS, MAX_ROWS + 2, ""),
        (b"name\n" + b"\n" * MAX_BYTES, FileFault.TOO_LARGE, 1, ""),
    ],
)
def test_a_file_is_refused_with_its_reason_when_it_is_no_table(
    data: bytes, fault: FileFault, line: int, column: str
) -> None:
    assert refusal(data) == (fault, line, column)


def test_a_file_fits_when_it_has_ten_thousand_of_the_longest_rows() -> None:
    longest = f"{'n' * 255},{'s' * 63}\r\n"
    assert len(rows("name,slug\r\n" + longest * MAX_ROWS)) == MAX_ROWS


@pytest.mark.parametrize("text", ["=1+1", "+39", "-x", "@a", "\tx", "\rx", "＝1", "'=1", "''=1"])
def test_a_formula_is_text_when_it_was_written_to_a_file_and_comes_back_as_it_was(
    text: str,
) -> None:
    assert guarded(text) == f"'{text}"
    assert unguarded(guarded(text)) == text


@given(st.text(st.sampled_from("=+-@＝\t\r\n'\" ,;|x") | st.characters()))
def test_any_text_comes_back_when_it_was_guarded(text: str) -> None:
    assert unguarded(guarded(text)) == text


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@given(table=st.lists(CELLS, max_size=3))
def test_no_cell_is_a_formula_when_a_spreadsheet_takes_another_delimiter_for_ours(
    delimiter: str, table: list[list[str]]
) -> None:
    opened = csv.reader(io.StringIO(written(table), newline=""), delimiter=delimiter)
    assert [cell for cells in opened for cell in cells if cell[:1] in set("=+-@＝")] == []


@pytest.mark.parametrize("text", ["Acme", "'Acme'", "", "1-2", "a=b", "'", "A, - B", "a; b"])
def test_text_stays_when_it_is_no_formula(text: str) -> None:
    assert guarded(text) == text
    assert unguarded(text) == text


def test_a_row_comes_back_when_it_was_written_by_us() -> None:
    name = 'Ac"me, =1;\n'
    (row,) = rows(written([["name", "slug"], [name, None], [None, None]]))
    assert (row.name, row.slug) == (name, None)
