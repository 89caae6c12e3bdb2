"""The buttons of an email that let it come back: as a bounce or as a complaint."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, abort, redirect, request, url_for
from werkzeug.wrappers import Response

from notifier.dev.inbox.reports import REPORTS, Listener, NotStored, Report
from notifier.dev.inbox.store import Inbox, Mail, Notice
from notifier.mail.message_ids import HEADER, read
from notifier.mail.return_path import read_return_path


@dataclass(frozen=True, slots=True)
class Choice:
    """What the page of an email offers."""

    reports: Mapping[str, Report]
    #: The page of the email in the admin; empty if it is not known.
    admin_url: str


class Returns:
    """Let emails come back to the listener."""

    def __init__(self, listener: Listener, admin_url: str) -> None:
        """`admin_url`: with a final slash; empty if there is no admin."""
        self.listener = listener
        self._admin_url = admin_url

    def about(self, mail: Mail) -> Choice | None:
        """Return what can come back from this email; None if it has no sender, as a bounce itself."""
        if not mail.sender:
            return None
        found = read(mail.reading.header(HEADER)) or read_return_path(mail.sender)
        page = f"{self._admin_url}notifications/{found.pk}/" if found is not None and self._admin_url else ""
        return Choice(REPORTS, page)


def returning(inbox: Inbox, returns: Returns) -> Blueprint:
    """Build the route of the buttons."""
    pages = Blueprint("returning", __name__)

    @pages.post("/messages/<mail_id>/return")
    def send(mail_id: str) -> Response:
        mail = inbox.get(mail_id) or abort(404)
        report = REPORTS.get(request.form.get("report", ""))
        if report is None or returns.about(mail) is None:
            abort(400)
        try:
            returns.listener.send(mail, report)
        except NotStored as error:
            mail.notices.append(Notice(report.label, f"Not stored for {mail.sender}: {error}", is_good=False))
        else:
            mail.notices.append(Notice(report.label, f"Sent to {mail.sender}, and stored", is_good=True))
        return redirect(url_for("pages.message", mail_id=mail_id, view=request.form.get("view"), _anchor="back"), 303)

    return pages
