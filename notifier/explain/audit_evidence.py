"""Evidence of what was sent: read emails from an inbox or from the log of a mail server, one by one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import urlopen

from notifier.campaigns.errors import CampaignError

#: Emails in one answer of an inbox: MailHog returns no more.
PAGE = 250

#: Seconds that one answer may take.
INBOX_TIMEOUT_SECONDS = 30.0

#: Called with (amount read, total amount), in units of the source.
Progress = Callable[[int, int], object]


class EvidenceError(CampaignError):
    """The evidence cannot be read."""


class Seen(NamedTuple):
    """One copy of an email that was accepted."""

    #: Without angle brackets. Empty if the email has none.
    message_id: str
    recipient: str = ""
    #: Tells two copies from one that was read twice. Empty: each is a copy of its own.
    copy: str = ""


def bare(message_id: str) -> str:
    """Return a Message-ID without its angle brackets."""
    return message_id.strip().removeprefix("<").removesuffix(">")


def from_file(path: Path, on_progress: Progress | None = None) -> Iterator[Seen]:
    """Yield one copy per line of a file.

    A line is a Message-ID, with or without the rest of a log line ("<id> recipient time"), or JSON with "message_id"
    and optionally "recipient". Empty lines and lines that begin with # are skipped. Raise EvidenceError, which names
    the line.
    """
    try:
        size, done = path.stat().st_size, 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                done += len(line)
                text = line.decode("utf-8", "replace").strip()
                if text and not text.startswith("#"):
                    yield _line(text, f"{path.name}, line {number}")
                if on_progress is not None and number % PAGE == 0:
                    on_progress(done, size)
    except OSError as error:
        raise EvidenceError(f"{path}: {error.strerror}") from None


def _line(text: str, place: str) -> Seen:
    if text.startswith("{"):
        try:
            values = json.loads(text)
            return Seen(bare(str(values["message_id"])), str(values.get("recipient") or ""))
        except (ValueError, KeyError):
            raise EvidenceError(f'{place}: write JSON with "message_id", and "recipient" if you know it') from None
    message_id, *rest = text.split()
    if message_id == "-":  # the sink saw no Message-ID
        return Seen("", rest[0] if rest else "")
    if "@" not in message_id:
        raise EvidenceError(f"{place}: {message_id[:60]!r} is not a Message-ID")
    return Seen(bare(message_id), rest[0] if rest else "")


def from_inbox(url: str, on_progress: Progress | None = None) -> Iterator[Seen]:
    """Yield all emails of an inbox that has MailHog's API (version 2). Raise EvidenceError."""
    base, start, read = _checked(url), 0, set[str]()
    while True:
        answer = _ask(f"{base}/api/v2/messages?{urlencode({'start': start, 'limit': PAGE})}")
        try:
            items, total = answer["items"], int(answer["total"])
            page = [_item(item) for item in items]
        except (KeyError, TypeError, ValueError):
            raise EvidenceError(f"{base} answers, but not with MailHog's API") from None
        yield from page
        read.update(seen.copy for seen in page)
        start += len(page)
        if on_progress is not None:
            on_progress(start, total)
        if not page or start >= total:
            break
    if len(read) < total:
        # New emails come first and shift the pages; deleted ones leave gaps.
        raise EvidenceError(f"{base} changed while it was read: try again while nothing is being sent to it")


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise EvidenceError(f"{url}: write the address of the inbox, such as http://127.0.0.1:8025")
    return url.rstrip("/")


def _ask(url: str) -> Any:
    try:
        with urlopen(url, timeout=INBOX_TIMEOUT_SECONDS) as answer:
            return json.load(answer)
    except (URLError, OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise EvidenceError(f"The inbox does not answer: {url.partition('/api/')[0]}: {reason}") from None


def _item(item: dict[str, Any]) -> Seen:
    headers = {name.lower(): values for name, values in item["Content"]["Headers"].items()}
    recipients = item["Raw"]["To"]
    return Seen(bare("".join(headers.get("message-id", [""])[:1])), ",".join(recipients), str(item["ID"]))
