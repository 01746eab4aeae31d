"""The panel's words for uploads: states, rows, faults."""

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.admin.wording.labels import Badge
from webapp.admin.wording.units import number
from webapp.csv_import.faults import FileFault, Problem, RowFault, UnreadableFile
from webapp.csv_import.parsing import MAX_BYTES, MAX_ROWS
from webapp.models.csv_import import Upload, UploadState
from webapp.models.naming import MAX_NAME_LENGTH, MAX_SLUG_LENGTH
from webapp.numbers.counter import HIGHEST

STATES = {
    UploadState.CHECKED: Badge(_l("to be confirmed"), "clock", "neutral"),
    UploadState.RUNNING: Badge(_l("running"), "arrows", "info"),
    UploadState.FINISHED: Badge(_l("finished"), "check", "success"),
    UploadState.DISCARDED: Badge(_l("discarded"), "dash", "outline"),
}
WITH_ERRORS = Badge(_l("finished, some left out"), "warning", "warning")

# By the first word of a fault's code.
FIELDS = {"name": _l("Name"), "slug": _l("Slug"), "number": _l("Id"), "too": _l("Row")}

REASONS = {
    RowFault.NAME_EMPTY: _l("It is empty."),
    RowFault.NAME_TOO_LONG: _l("It has more than %(most_name)s characters."),
    RowFault.NAME_UNPRINTABLE: _l("It holds characters that cannot be printed."),
    RowFault.NAME_INVISIBLE: _l("It holds the invisible character %(character)s."),
    RowFault.NAME_TWICE: _l(
        "Line %(line)s has the same name, and no slug can be made from it. Give both a slug."
    ),
    RowFault.SLUG_UNUSABLE: _l(
        "It must be small letters and digits, joined by single hyphens, at most %(most_slug)s "
        "characters."
    ),
    RowFault.SLUG_TWICE: _l("Line %(line)s has %(slug)s already. Give this one another."),
    RowFault.SLUG_TAKEN: _l(
        "%(slug)s belongs to tenant %(number)s, which has another name or number."
    ),
    RowFault.NUMBER_UNUSABLE: _l("It must be a whole number from 1 to %(highest)s."),
    RowFault.NUMBER_TWICE: _l("Line %(line)s has the same number."),
    RowFault.NUMBER_TAKEN: _l(
        "%(number)s belongs to another tenant, or to one that was deleted. Numbers are never "
        "used again."
    ),
    RowFault.TOO_MANY_CELLS: _l(
        "It has more cells than the first line. Put a name that holds the delimiter in quotation "
        "marks."
    ),
}

REFUSALS = {
    FileFault.EMPTY: _l("The file is empty."),
    FileFault.NO_ROWS: _l("The file has a first line, and nothing below it."),
    FileFault.TOO_LARGE: _l(
        "The file is larger than %(most_mb)s MB. Split it, and upload the parts one by one."
    ),
    FileFault.TOO_MANY_ROWS: _l(
        "The file has more than %(most_rows)s rows. Split it, and upload the parts one by one."
    ),
    FileFault.WORKBOOK: _l(
        "This is a workbook, not a CSV file. Save it as “CSV UTF-8” and upload that."
    ),
    FileFault.NOT_UTF8: _l(
        "Line %(line)s is not written in UTF-8. Its encoding, perhaps Windows-1252, cannot be told "
        "for certain. Save the file as “CSV UTF-8” and upload it again."
    ),
    FileFault.NOT_TEXT: _l("This is not a text file. Save it as “CSV UTF-8” and upload that."),
    FileFault.BROKEN: _l(
        "Line %(line)s cannot be read: a quotation mark is not closed, or stands in the middle "
        "of a cell."
    ),
    FileFault.COLUMN_MISSING: _l(
        "The first line must name the columns, and “%(column)s” is not among them. Also known "
        "are “slug” and “id”."
    ),
    FileFault.COLUMN_UNKNOWN: _l(
        "The column “%(column)s” is not known. Leave “name”, and if you like “slug” and “id”."
    ),
    FileFault.COLUMN_TWICE: _l("The column “%(column)s” is there twice."),
}


def badge(upload: Upload) -> Badge:
    if upload.state == UploadState.FINISHED and upload.invalid + upload.refused:
        return WITH_ERRORS
    return STATES[upload.state]


def field(problem: Problem) -> str:
    return str(FIELDS[problem.fault.partition("_")[0]])


def reason(problem: Problem) -> str:
    """The fault, and what is accepted."""
    return str(REASONS[problem.fault]) % {
        "line": problem.line and number(problem.line),
        "slug": problem.slug,
        "number": problem.number,
        "character": problem.character,
        "most_name": MAX_NAME_LENGTH,
        "most_slug": MAX_SLUG_LENGTH,
        "highest": number(HIGHEST),
    }


def describe(problem: Problem) -> str:
    return _("%(field)s: %(reason)s", field=field(problem), reason=reason(problem))


def refusal(error: UnreadableFile) -> str:
    """Why the whole file was refused, and the remedy."""
    return str(REFUSALS[error.fault]) % {
        "line": number(error.line),
        "column": error.column,
        "most_mb": MAX_BYTES // 1024 // 1024,
        "most_rows": number(MAX_ROWS),
    }
