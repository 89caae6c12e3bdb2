"""The systems whose exports can be read, and how to read a file of each."""

from collections.abc import Iterator
from typing import Final

from notifier.imports.exports import listmonk, mailchimp, plain, sendgrid, ses
from notifier.imports.exports.entries import Entry
from notifier.imports.files import FileError, Table, TextFile

SYSTEMS: Final = ("csv", "mailchimp", "listmonk", "sendgrid", "ses")


def entries_of(file: TextFile, system: str, *, of: str | None = None, reason: str = "manual") -> Iterator[Entry]:
    """Yield the entries of an export.

    Args:
        file: The file.
        system: One of SYSTEMS.
        of: Which of SendGrid's lists it is.
        reason: Of lines of a plain CSV file that name none.

    Raises:
        FileError: It is not an export of this system.
    """
    if (system == "sendgrid") != (of is not None):
        raise FileError(
            f"Name the list of SendGrid with --list: {', '.join(sendgrid.LISTS)}."
            if of is None
            else "Only SendGrid has several lists."
        )
    if system == "ses":
        return ses.json_entries(file)
    if system in ("listmonk", "sendgrid") and _is_json(file):
        return listmonk.json_entries(file) if of is None else sendgrid.json_entries(file, of)
    table = Table(file)
    if of is not None:
        return sendgrid.entries(table, of)
    if system == "csv":
        return plain.entries(table, reason)
    return mailchimp.entries(table) if system == "mailchimp" else listmonk.entries(table)


def _is_json(file: TextFile) -> bool:
    text = file.text()
    try:
        return text.read(1000).lstrip()[:1] in ("{", "[")
    finally:
        text.detach()
