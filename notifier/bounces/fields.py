"""The fields of machine-readable reports: delivery status (RFC 3464, RFC 6533), feedback (RFC 5965), receipts."""

import re
from typing import NamedTuple

from notifier.bounces.parts import Email, Headers, Part, headers_of
from notifier.bounces.texts import Statement, phase_of, replies
from notifier.smtp.outcome import MAX_TEXT

#: Recipients of one report that are read.
MAX_RECIPIENTS = 20
#: Blocks of fields in one part that are read.
MAX_BLOCKS = 30

_STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_STATUS = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_LENDS_NOTHING = re.compile(r"\d\.0\.0$|5\.[12]\.")
#: Where a field goes on in its next line (RFC 5322, section 2.2.3), and a comment (section 3.2.2).
_FOLD = re.compile(rb"\n[ \t]{1,80}")
_COMMENT = re.compile(r"\([^()]{0,200}\)")
_TYPED = re.compile(r"\s{0,4}([\w.-]{1,30})\s{0,4};")
#: What RFC 3463 says about a code: a system that adds it says no more than the code.
_MEANINGS = frozenset(
    {
        "bad destination mailbox address",
        "bad destination system address",
        "bad destination mailbox address syntax",
        "destination mailbox address ambiguous",
        "destination mailbox has moved, no forwarding address",
        "mailbox disabled, not accepting messages",
        "other address status",
        "other undefined status",
    }
)
_LINES_OF_RECIPIENT = ("final-recipient", "original-recipient", "action", "status", "diagnostic-code")


class Recipient(NamedTuple):
    """The fields about one recipient. `action` is in lower case; `status` is an enhanced code, or empty."""

    address: str
    original: str
    action: str
    status: str
    #: What follows the code in Status, often in parentheses.
    comment: str
    diagnostic: str
    remote_mta: str
    #: The same as `diagnostic` without the whitespace of its folds: some systems fold within a word. Else empty.
    joined: str = ""


class DeliveryStatus(NamedTuple):
    """A delivery status notification: the system that reports, the envelope id, and its recipients."""

    reporting_mta: str
    envelope_id: str
    queue_ids: tuple[str, ...]
    recipients: tuple[Recipient, ...]


def delivery_status(email: Email) -> DeliveryStatus | None:
    """Return the fields of the first part with a delivery status; None if there is none."""
    part = next((each for each in email.parts if each.media_type in _STATUS_TYPES), None)
    if part is None:
        return None
    raws = _blocks(part)
    blocks = [headers_of(each) for each in raws]
    about = next((each for each in blocks if "reporting-mta" in each), Headers())
    queue = [value for each in blocks for name in ("x-postfix-queue-id", "x-queue-id") for value in each.every(name)]
    found = [
        _recipient(each, _joined(raw))
        for raw, each in zip(raws, blocks, strict=True)
        if any(name in each for name in _LINES_OF_RECIPIENT)
    ]
    return DeliveryStatus(
        untyped(about.first("reporting-mta"))[:255],
        about.first("original-envelope-id")[:255],
        tuple(value[:100] for value in queue[:5]),
        tuple(found[:MAX_RECIPIENTS]),
    )


def _blocks(part: Part) -> list[bytes]:
    blocks = re.split(rb"\n[ \t]*\n", part.body, maxsplit=MAX_BLOCKS)[:MAX_BLOCKS]
    return [block.strip(b"\n") for block in blocks if block.strip()]


def _joined(block: bytes) -> Headers:
    """Return the fields that are folded, without the whitespace of the folds."""
    return headers_of(_FOLD.sub(b"", block)) if _FOLD.search(block) else Headers()


def _recipient(block: Headers, joined: Headers) -> Recipient:
    status = block.first("status")
    found = _STATUS.search(status)
    comment = (status[found.end() :] if found else status).strip(" ();:,-")
    if comment.lower() in _MEANINGS:
        comment = ""
    diagnostic, unfolded = _diagnostic(block), _diagnostic(joined)
    return Recipient(
        _address(block, "final-recipient") or _address(joined, "final-recipient"),
        _address(block, "original-recipient") or _address(joined, "original-recipient"),
        _COMMENT.sub(" ", block.first("action")).strip().lower(),
        found[0] if found else "",
        comment[:MAX_TEXT],
        diagnostic[: MAX_TEXT * 2],
        untyped(block.first("remote-mta"))[:255],
        "" if unfolded == diagnostic else unfolded[: MAX_TEXT * 2],
    )


def _diagnostic(block: Headers) -> str:
    return " ".join(block.every("diagnostic-code")) or " ".join(block.every("x-supplementary-info"))


def _address(block: Headers, name: str) -> str:
    value = block.first(name) or (block.first("x-actual-recipient") if name == "final-recipient" else "")
    return address_of(value)


def untyped(value: str) -> str:
    """Return what follows the type of a field, as in `dns; mx.example.com` (RFC 3464, section 2.1.2)."""
    found = _TYPED.match(value)
    return (value[found.end() :] if found else value).strip()


def address_of(value: str) -> str:
    r"""Return the address of a recipient field, without its type and brackets; empty if it holds none.

    The type utf-8 (RFC 6533, section 3) allows `\x{F6}` for a character in a report that is ASCII.
    """
    address = untyped(value).strip().strip("<>\"'").strip()[:320]
    if "\\x{" in address:
        address = _UNICODE.sub(_character, address)
    return address if "@" in address and " " not in address else ""


_UNICODE = re.compile(r"\\x\{([0-9a-fA-F]{2,6})\}")


def _character(found: re.Match[str]) -> str:
    number = int(found[1], 16)
    return chr(number) if number < 0xD800 or 0xE000 <= number < 0x110000 else ""


def statements_of(recipient: Recipient) -> list[Statement]:
    """Return what a recipient's fields say in words: its diagnostic, then the comment of its status."""
    said = _said(untyped(recipient.diagnostic), recipient.status)
    if recipient.joined:
        again = _said(untyped(recipient.joined), recipient.status)
        if [each.code for each in again] == [each.code for each in said]:
            said = [one._replace(joined=other.text) for one, other in zip(said, again, strict=True)]
    said = [each if each.enhanced else _with_status(each, recipient.status) for each in said]
    if recipient.comment:
        said += [_with_status(each, recipient.status) for each in replies(recipient.comment)] or [
            Statement(recipient.comment, 0, _lent(recipient.status))
        ]
    return said


def _said(text: str, status: str) -> list[Statement]:
    """Return the replies in a diagnostic, else all of it."""
    whole = Statement(text[:MAX_TEXT], 0, _lent(status), phase_of(text))
    return replies(text) or ([whole] if text else [])


def _with_status(said: Statement, status: str) -> Statement:
    """Give a reply the status of its field, if both are of one class and the status says something.

    The status of a dead address is not lent: many systems write 5.1.1 for any refusal of a recipient.
    """
    fits = said.code and not said.enhanced and status.startswith(str(said.code)[:1])
    return said._replace(enhanced=_lent(status)) if fits else said


def _lent(status: str) -> str:
    return "" if _LENDS_NOTHING.match(status) else status


def feedback(email: Email) -> Headers | None:
    """Return the fields of a feedback report (RFC 5965, section 3); None if there is none."""
    part = next((each for each in email.parts if each.media_type == "message/feedback-report"), None)
    return headers_of(part.body.strip(b"\n")) if part else None


def disposition(email: Email) -> Headers | None:
    """Return the fields of a disposition notification (RFC 8098); None if there is none."""
    part = next((each for each in email.parts if each.media_type == "message/disposition-notification"), None)
    return headers_of(part.body.strip(b"\n")) if part else None
