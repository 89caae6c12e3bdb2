"""Amazon SES: the account-level suppression list.

`aws sesv2 list-suppressed-destinations` prints `{"SuppressedDestinationSummaries": [{"EmailAddress", "Reason",
"LastUpdateTime"}]}`, and `get-suppressed-destination` one `{"SuppressedDestination": {…}}` (the developer guide of SES,
"Using the Amazon SES account-level suppression list"; API reference, ListSuppressedDestinations). A reason is BOUNCE,
which means a hard one, or COMPLAINT. Pages may follow each other in one file.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from notifier.imports.exports.entries import Entry, What, moment_of, text_of
from notifier.imports.exports.json_items import Items
from notifier.imports.files import FileError, TextFile

_REASONS = {"BOUNCE": What.dead, "COMPLAINT": What.complained}
_TOKEN = re.compile(r'"NextToken"\s*:\s*"')
#: Characters of the answer about one address.
_SINGLE: Final = 64 * 1024


def json_entries(file: TextFile) -> Iterator[Entry]:
    """Yield the entries of a file, which may also be the answer about one address."""
    single = _single(file)
    if single is not None:
        yield _entry(1, single)
        return
    items, number = Items(file, "SuppressedDestinationSummaries"), 0
    for number, item in enumerate(items, 1):
        yield _entry(number, item)
    # Each page but the last one has a token, before or after its list.
    if sum(1 for _ in _TOKEN.finditer(items.outside)) >= items.arrays:
        problem = "the file ends before the last page: it has a NextToken, with which there are more addresses"
        yield Entry(number + 1, "", What.unclear, None, "", problem)


def _entry(number: int, item: dict[str, Any]) -> Entry:
    address, reason, at = (text_of(item.get(name)) for name in ("EmailAddress", "Reason", "LastUpdateTime"))
    return Entry(number, address, _REASONS.get(reason.upper(), What.unclear), moment_of(at), reason.lower())


def _single(file: TextFile) -> dict[str, Any] | None:
    text = file.text()
    try:
        document = json.loads(text.read(_SINGLE))
    except (ValueError, RecursionError):
        # Longer than one address needs.
        return None
    finally:
        text.detach()
    if not isinstance(document, dict) or "SuppressedDestination" not in document:
        return None
    found = document["SuppressedDestination"]
    if not isinstance(found, dict):
        raise FileError("The file has no list of addresses. Is it an export of this system?")
    return found
