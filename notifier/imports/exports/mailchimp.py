"""Mailchimp: the CSV files of an audience export.

The export of an audience is an archive with one file for each status (Mailchimp's help, "View Unsubscribed and Cleaned
Addresses"). "Unsubscribed" are people who opted out, with UNSUB_TIME and UNSUB_REASON; "cleaned" are addresses that
bounced hard, or softly again and again, with CLEAN_TIME. A file of subscribed people has neither column.
"""

from collections.abc import Iterator

from notifier.imports.exports.entries import Cells, Entry, What, cells_of, moment_of
from notifier.imports.files import FileError, Table

_ADDRESS = "email address"
#: Parts of a reason of people who did more than unsubscribe.
_SPAM = ("spam", "abuse")


def entries(table: Table) -> Iterator[Entry]:
    """Yield the entries of an unsubscribed or a cleaned file. Raise FileError for another one."""
    names = {name.casefold() for name in table.header}
    cleaned = bool({"clean_time", "clean_campaign_title"} & names)
    if not cleaned and not {"unsub_time", "unsub_reason"} & names:
        raise FileError(
            "The file has neither UNSUB_TIME nor CLEAN_TIME, so it is not one of unsubscribed or cleaned people."
        )
    for cells in cells_of(table, _ADDRESS):
        yield _cleaned(cells) if cleaned else _unsubscribed(cells)


def _cleaned(cells: Cells) -> Entry:
    at = moment_of(cells.first("clean_time", "last_changed"))
    return Entry(cells.line, cells.first(_ADDRESS), What.dead, at, "cleaned", cells.problem)


def _unsubscribed(cells: Cells) -> Entry:
    at = moment_of(cells.first("unsub_time", "last_changed"))
    words = cells.first("unsub_reason", "unsub_reason_other")
    spam = any(part in words.casefold() for part in _SPAM)
    what = What.complained if spam else What.unsubscribed
    return Entry(
        cells.line,
        cells.first(_ADDRESS),
        what,
        at,
        f"unsubscribed: {words}" if words else "unsubscribed",
        cells.problem,
    )
