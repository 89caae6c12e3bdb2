"""Import a file of people or of another system's suppressions: first a preview, then the same file again."""

import hashlib
from dataclasses import dataclass
from typing import Final

from flask import current_app, request
from flask.typing import ResponseReturnValue

from notifier import clock
from notifier.admin.kit import arguments, login
from notifier.admin.kit.page import Page, act, show
from notifier.extensions import db
from notifier.imports.bounded import MOST_BYTES, BoundedImport, Report, Upload
from notifier.imports.exports import sendgrid
from notifier.imports.files import ENCODINGS, FileError
from notifier.imports.lines import confirmation_date
from notifier.imports.people import Responsibility
from notifier.models import Role
from notifier.services import services

PEOPLE: Final = "people"

#: What a file can be: its value in the form -> its name. A colon stands before the list of SendGrid.
KINDS: Final = {
    PEOPLE: "People (CSV)",
    "csv": "Suppressions: CSV",
    "mailchimp": "Suppressions: Mailchimp, cleaned or unsubscribed (CSV)",
    "listmonk": "Suppressions: listmonk (CSV or JSON)",
    **{
        f"sendgrid:{each}": f"Suppressions: SendGrid, {each.replace('_', ' ')} (CSV or JSON)" for each in sendgrid.LISTS
    },
    "ses": "Suppressions: Amazon SES (JSON)",
}

#: Views whose forms have a file.
_UPLOADS: Final = ("admin_import.preview", "admin_import.store")
#: Bytes of a form around its file.
_FORM: Final = 64 * 1024


def largest_upload() -> int:
    """Return the bytes of the form with a file that this request may send; 0: it may send none.

    A visitor who is not signed in as an admin may send no more than with any other form.
    """
    if request.endpoint not in _UPLOADS:
        return 0
    return MOST_BYTES + _FORM if login.may(Role.admin) else int(current_app.config["MAX_CONTENT_LENGTH"])


@dataclass(frozen=True, slots=True)
class _Sent:
    """The form as it was sent."""

    texts: dict[str, str]
    wrong: dict[str, str]
    upload: Upload
    responsibility: Responsibility | None

    @property
    def digest(self) -> str:
        """The digest of the file and of all that was chosen for it."""
        chosen = "\n".join(self.texts.values()).encode()
        return hashlib.sha256(hashlib.sha256(chosen).digest() + self.upload.data).hexdigest()


class Imports(Page):
    """Files of up to 20,000 lines; larger ones are for the command."""

    title = "Import"
    section = "System"
    slug = "import"

    @show(role=Role.admin)
    def index(self) -> ResponseReturnValue:
        """Ask for the file."""
        return self._form({"what": PEOPLE}, {})

    @act("/preview", Role.admin)
    def preview(self) -> ResponseReturnValue:
        """Show what the import would do. Nothing is changed."""
        sent = _read()
        report = None if any(sent.wrong.values()) else _imported(sent, dry_run=True)
        if report is None:
            return self._form(sent.texts, sent.wrong), 400
        return self._told(sent, report, digest=sent.digest)

    @act("/store", Role.admin)
    def store(self) -> ResponseReturnValue:
        """Import the file of the preview; another one is refused."""
        sent, digest = _read(), arguments.field("digest", 64)
        if not sent.wrong["file"] and digest != sent.digest:
            sent.wrong["file"] = "This is not the file of the preview. Nothing was imported. Look at its preview first."
        report = None if any(sent.wrong.values()) else _imported(sent, dry_run=False)
        if report is None:
            return self._form(sent.texts, sent.wrong), 400
        return self._told(sent, report)

    def _form(self, texts: dict[str, str], wrong: dict[str, str]) -> str:
        page: str = self.render(
            "admin/import.html", texts=texts, wrong=wrong, kinds=list(KINDS.items()),
            encodings=[(each, each) for each in ENCODINGS], may_import_people=not services().is_embedded,
        )  # fmt: skip
        return page

    def _told(self, sent: _Sent, report: Report, digest: str = "") -> str:
        """Show the report. `digest`: of what was previewed; empty if it was imported."""
        page: str = self.render(
            "admin/import_report.html", texts=sent.texts, kind=KINDS[sent.texts["what"]], report=report, digest=digest,
            is_people=sent.texts["what"] == PEOPLE,
        )  # fmt: skip
        return page


def _read() -> _Sent:
    limits = {"what": 40, "encoding": 20, "confirmed_at": 40, "basis": 500}
    read = {name: arguments.typed(name, longest) for name, longest in limits.items()}
    texts, wrong = {name: text for name, (text, _) in read.items()}, {name: why for name, (_, why) in read.items()}
    if texts["what"] not in KINDS or (texts["what"] == PEOPLE and services().is_embedded):
        wrong["what"] = "Choose what the file is."
    if texts["encoding"] not in ("", *ENCODINGS):
        wrong["encoding"] = "Choose an encoding from the list."
    file = request.files.get("file")
    data = b"" if file is None else file.read()
    wrong["file"] = "" if data else "Choose a file that is not empty."
    if len(data) > MOST_BYTES:
        wrong["file"] = "The file is larger than 8 MiB. Import it with the command, or in parts."
    responsibility = None if any(wrong.values()) else _responsibility(texts, wrong)
    return _Sent(texts, wrong, Upload(data, texts["encoding"] or None), responsibility)


def _responsibility(texts: dict[str, str], wrong: dict[str, str]) -> Responsibility | None:
    """Return the operator's word for people without a date; note in `wrong` what is wrong with it."""
    date, basis = texts["confirmed_at"], texts["basis"]
    if not date and not basis:
        return None
    if texts["what"] != PEOPLE:
        wrong["confirmed_at"] = "This is for people only. Leave it empty."
    elif not date or not basis:
        wrong["basis" if date else "confirmed_at"] = "The date and the reason belong together."
    else:
        try:
            return Responsibility(confirmation_date(date, clock.now()), basis)
        except ValueError as error:
            wrong["confirmed_at"] = f"{str(error).capitalize()}."
    return None


def _imported(sent: _Sent, *, dry_run: bool) -> Report | None:
    """Import the file, or try it; None: it cannot be read, and `sent.wrong` says why."""
    by, (system, _, of) = login.actor(), sent.texts["what"].partition(":")
    # An import forgets the objects of its session after each chunk, and the page still needs the operator.
    db.session.rollback()
    with db.session.session_factory() as own:
        work = BoundedImport(
            session=lambda: own,
            addresses=current_app.config["ADDRESSES"],
            keys=services().settings.secret_keys,
            now=clock.now(),
            dry_run=dry_run,
        )
        try:
            if system == PEOPLE:
                return work.people(sent.upload, by, sent.responsibility)
            return work.suppressions(sent.upload, by, system, of=of or None)
        except FileError as error:
            sent.wrong["file"] = error.message
            return None
