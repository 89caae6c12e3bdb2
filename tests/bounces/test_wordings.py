"""What mail systems say, as replies, fields, texts and in many languages: written for these tests.

`tests/data/bounce_wordings.tsv` has one email on each line. `form`: a reply as Postfix quotes one, the fields of a
delivery status (`Status|Diagnostic-Code`) after a text, or a text alone. `verdict` is that of a bounce, or the kind of
what is no bounce. `-` stands for nothing, or for a usual sender and subject; `\\n` is a line end.
"""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from notifier.bounces.reading import Report, read
from notifier.bounces.reasons import Kind

LINES = (Path(__file__).parent.parent / "data" / "bounce_wordings.tsv").read_text().splitlines()
NAMES = LINES[0].split("\t")
ROWS = [dict(zip(NAMES, line.split("\t"), strict=True)) for line in LINES[1:]]
BY_SYSTEM = {system: list(rows) for system, rows in groupby(ROWS, key=lambda row: row["system"])}

SENDER, SUBJECT = "MAILER-DAEMON@mx.example.net (Mail Delivery System)", "Undelivered Mail Returned to Sender"
QUOTED = "<user@example.net>: host mx.example.net[192.0.2.1] said: {} (in reply to RCPT TO command)"
FIELDS = """MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=B

--B
Content-Type: text/plain; charset=utf-8

{text}
--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.net

Final-Recipient: rfc822; user@example.net
Action: failed
Status: {status}
Diagnostic-Code: {diagnostic}

--B
Content-Type: message/rfc822

Subject: Your order

Thank you
--B--
"""


def written(row: dict[str, str]) -> bytes:
    """Return the email of a row."""
    value = {name: "" if text == "-" else text.replace("\\n", "\n") for name, text in row.items()}
    head = f"From: {value['from'] or SENDER}\nTo: bounces@shop.example\nSubject: {value['subject'] or SUBJECT}\n"
    if value["headers"]:
        head += f"{value['headers']}\n"
    if row["form"] == "reply":
        return f"{head}\n{QUOTED.format(value['text'])}\n".encode()
    if row["form"] == "text":
        return f"{head}\n{value['text']}\n".encode()
    status, _, diagnostic = value["fields"].partition("|")
    fields = FIELDS.format(text=value["text"], status=status, diagnostic=diagnostic)
    return f"{head}{fields}".replace("Diagnostic-Code: \n", "").encode()


def said(found: Report) -> tuple[str, str]:
    """Return verdict and reason as a row has them."""
    verdict = found.verdict if found.kind is Kind.BOUNCE else found.kind
    return str(verdict), str(found.reason or "-")


def differing(rows: list[dict[str, str]]) -> Iterator[str]:
    """Yield the rows that are read in another way."""
    for row in rows:
        found = said(read(written(row)))
        if found != (row["verdict"], row["reason"]):
            yield f"{found} instead of {row['verdict']}, {row['reason']}: {row['fields']} {row['text']}"


@pytest.mark.parametrize("system", sorted(BY_SYSTEM))
def test_each_wording_is_understood(system: str) -> None:
    assert not list(differing(BY_SYSTEM[system]))


@pytest.mark.parametrize(("end", "begin"), [(b"\r\n", 0), (b"\r", 1)], ids=["CRLF", "CR"])
def test_line_ends_change_nothing(end: bytes, begin: int) -> None:
    emails = [written(row) for row in ROWS[begin::2]]
    assert not [each for each in emails if read(each.replace(b"\n", end)) != read(each)]
