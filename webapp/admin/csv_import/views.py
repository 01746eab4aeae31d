"""The pages of an import: choose a file, check, confirm, watch."""

from collections.abc import Sequence
from typing import Any

from flask import abort, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import RequestEntityTooLarge

from webapp import current
from webapp.admin.base import Page, expose, reading, shell
from webapp.admin.csv_import import files as upload_files
from webapp.admin.csv_import import labels as upload_words
from webapp.admin.csv_import.files import REJECTED
from webapp.admin.lists.export import attachment
from webapp.admin.lists.filters import NOT_REQUESTED
from webapp.admin.lookups import number_in
from webapp.admin.wording.refusals import sentence
from webapp.csv_import.faults import FileFault, UnreadableFile, loaded
from webapp.csv_import.parsing import MAX_BYTES, MAX_ROWS
from webapp.csv_import.queries import all_rows, get_upload, list_uploads, partitions_of, rows_of
from webapp.csv_import.rows import Candidate
from webapp.errors import DomainError
from webapp.models.csv_import import RowOutcome, Upload, UploadRow, UploadState
from webapp.models.operation import OperationKind

LISTED, WRONG_SHOWN, NEW_SHOWN = 20, 50, 10
# Above `MAX_BYTES`, so that the page itself can refuse a file that is too large. Werkzeug buffers
# the body on disk.
MAX_BODY_BYTES = 4 * MAX_BYTES
WATCHED_S, SETTLED_S = 1, 5


class UploadsView(Page):
    reads = frozenset({"index", "show", "live", "result", "rejects", "template"})
    nav = "uploads"

    def create_blueprint(self, admin: Any) -> Any:
        """A blueprint that takes larger bodies, and refuses on its own page."""
        blueprint = super().create_blueprint(admin)
        # Before the CSRF check, which reads the form.
        blueprint.url_value_preprocessor(_take_larger_bodies)
        blueprint.register_error_handler(RequestEntityTooLarge, self._refuse_body)
        return blueprint

    @expose("/")
    def index(self) -> ResponseReturnValue:
        return self._choose()

    @expose("/check/", methods=("POST",))
    def check(self) -> ResponseReturnValue:
        file = request.files.get("file")
        if file is None or not file.filename:
            return self._choose(_("Choose a file first.")), 422
        # One byte more, to recognize a file that is too large.
        data = file.stream.read(MAX_BYTES + 1)
        try:
            upload = current.services().uploads.check(file.filename, data, actor=current.actor())
        except UnreadableFile as error:
            return self._choose(upload_words.refusal(error)), 422
        return redirect(url_for(".show", id=upload.id), 303)

    @expose("/show/")
    def show(self) -> ResponseReturnValue:
        return self.render("admin/upload/show.html", **_figures(_find_upload()))

    @expose("/live/")
    def live(self) -> ResponseReturnValue:
        return self.render("admin/upload/_live.html", fragment=True, **_figures(_find_upload()))

    @expose("/confirm/", methods=("POST",))
    def confirm(self) -> ResponseReturnValue:
        return self._decide("confirm")

    @expose("/discard/", methods=("POST",))
    def discard(self) -> ResponseReturnValue:
        return self._decide("discard")

    @expose("/result.csv")
    def result(self) -> ResponseReturnValue:
        upload = _find_upload()
        rows = all_rows(current.database(), upload.id)
        return attachment(f"import-{upload.id}-result.csv", upload_files.result(rows))

    @expose("/rejects.csv")
    def rejects(self) -> ResponseReturnValue:
        upload = _find_upload()
        rows = all_rows(current.database(), upload.id)
        return attachment(f"import-{upload.id}-rejects.csv", upload_files.rejects(upload, rows))

    @expose("/template.csv")
    def template(self) -> ResponseReturnValue:
        return attachment("tenants-template.csv", upload_files.TEMPLATE)

    def render(self, template: str, **kwargs: Any) -> str:
        return super().render(template, words=upload_words, **kwargs)

    def _choose(self, refused: str | None = None) -> str:
        before = request.args.get("before")
        return self.render(
            "admin/upload/index.html",
            refused=refused,
            earlier=list_uploads(reading(), LISTED, number_in(before) if before else None),
            most_rows=MAX_ROWS,
            most_bytes=MAX_BYTES,
            too_large=upload_words.refusal(UnreadableFile(FileFault.TOO_LARGE)),
        )

    def _refuse_body(self, _error: RequestEntityTooLarge) -> ResponseReturnValue:
        return self._choose(upload_words.refusal(UnreadableFile(FileFault.TOO_LARGE))), 413

    def _decide(self, decision: str) -> ResponseReturnValue:
        upload_id = number_in(request.form.get("upload_id"))
        decide = getattr(current.services().uploads, decision)
        try:
            is_done = decide(upload_id, actor=current.actor())
        except DomainError as error:
            flash(sentence(error), "danger")
            return redirect(url_for(".index"), 303)
        if is_done and decision == "discard":
            flash(_("The file was discarded. Nothing was created."), "info")
            return redirect(url_for(".index"), 303)
        return redirect(url_for(".show", id=upload_id), 303)


def _take_larger_bodies(_endpoint: str | None, _values: Any) -> None:
    request.max_content_length = MAX_BODY_BYTES


def _find_upload() -> Upload:
    upload = get_upload(reading(), number_in(request.args.get("id")))
    if upload is None:
        abort(404)
    return upload


def _figures(upload: Upload) -> dict[str, Any]:
    after = request.args.get("after")
    rows = _wrong_rows(upload, number_in(after) if after else 0)
    is_checked = upload.state == UploadState.CHECKED
    is_running = upload.state == UploadState.RUNNING
    is_finished = upload.state == UploadState.FINISHED
    return {
        "upload": upload,
        "wrong": rows[:WRONG_SHOWN],
        "has_more_wrong": len(rows) > WRONG_SHOWN,
        "after": after,
        "problems_of": lambda row: loaded(row.problems),
        "slug_of": lambda row: Candidate.of(row).wanted_slug,
        "first": rows_of(reading(), upload.id, [RowOutcome.NEW], NEW_SHOWN) if is_checked else (),
        "partitions": partitions_of(reading(), upload.id) if is_finished else {},
        "request_url": _request_url(upload),
        "room": shell().summary.collections[0],
        "needs_reconciler": is_running,
        "every": WATCHED_S if is_running else SETTLED_S,
    }


def _wrong_rows(upload: Upload, after_line: int) -> Sequence[UploadRow]:
    """Invalid and refused rows; none while the file runs, to save the query."""
    if upload.state == UploadState.RUNNING or not upload.invalid + upload.refused:
        return ()
    return rows_of(reading(), upload.id, REJECTED, WRONG_SHOWN + 1, after_line)


def _request_url(upload: Upload) -> str:
    wanted = {"kind": OperationKind.REQUEST, "state": NOT_REQUESTED, "upload": upload.id}
    return url_for("operations.review", scope="matching", **wanted)  # type: ignore[arg-type]
