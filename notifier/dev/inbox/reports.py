"""What a mail server says about an email of the inbox: bounces (RFC 3464) and a complaint (RFC 5965), for real.

They are sent to the return path of the email, to the listener of this stack.
"""

import secrets
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from types import MappingProxyType

from notifier import clock
from notifier.dev.inbox.smtp import HOSTNAME
from notifier.dev.inbox.store import Mail

#: Bytes of the email's headers that a report repeats.
MAX_HEADERS = 64 * 1024
#: Seconds to wait for the listener.
TIMEOUT = 10


@dataclass(frozen=True, slots=True)
class Report:
    """One kind of report."""

    label: str
    #: The enhanced code, and the reply of the server that refused the email; empty for a complaint.
    status: str = ""
    reply: str = ""

    @property
    def is_complaint(self) -> bool:
        """Return whether a person reported the email, and no server refused it."""
        return not self.status


REPORTS: Mapping[str, Report] = MappingProxyType(
    {
        "hard": Report("Bounce: no such user", "5.1.1", "550 5.1.1 User unknown"),
        "soft": Report("Bounce: mailbox full", "5.2.2", "552 5.2.2 Mailbox full"),
        "spam": Report("Report as spam"),
    }
)


class NotStored(Exception):
    """The listener did not take a report. The text says why, for people."""


class Listener:
    """The listener of this stack, which speaks LMTP."""

    def __init__(self, host: str, port: int) -> None:
        """Send to this address."""
        self._host = host
        self._port = port

    def send(self, mail: Mail, report: Report) -> None:
        """Report on the email to its return path, from the empty sender, which no server answers.

        Return once the listener has stored the report. Raise NotStored.
        """
        try:
            with smtplib.LMTP(self._host, self._port, timeout=TIMEOUT) as client:
                client.sendmail("", [mail.sender], build(mail, report))
        except smtplib.SMTPRecipientsRefused as refused:
            raise NotStored(f"the listener said {_said(*refused.recipients[mail.sender])}") from None
        except smtplib.SMTPResponseException as refused:
            raise NotStored(f"the listener said {_said(refused.smtp_code, refused.smtp_error)}") from None
        except (OSError, smtplib.SMTPException) as error:
            raise NotStored(f"no answer from {self._host}:{self._port} ({error})") from None


def _said(code: int, text: bytes | str) -> str:
    return f"{code} {text.decode('utf-8', 'replace') if isinstance(text, bytes) else text}"


def build(mail: Mail, report: Report) -> bytes:
    """Return the report as bytes with CRLF."""
    boundary = f"report-{secrets.token_hex(12)}"
    kind = "feedback-report" if report.is_complaint else "delivery-status"
    head = [
        f"From: Mail Delivery System <MAILER-DAEMON@{HOSTNAME}>",
        f"To: <{mail.sender}>",
        f"Subject: {'Complaint about an email' if report.is_complaint else 'Undelivered Mail Returned to Sender'}",
        f"Date: {format_datetime(clock.now())}",
        f"Message-ID: <{secrets.token_hex(12)}@{HOSTNAME}>",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type={kind}; boundary="{boundary}"',
    ]
    parts = [
        ("text/plain; charset=utf-8", _text(mail, report)),
        (f"message/{kind}", _feedback(mail) if report.is_complaint else _delivery_status(mail, report)),
    ]
    lines = [*head, ""]
    for content_type, content in parts:
        lines += [f"--{boundary}", f"Content-Type: {content_type}", "", *content]
    lines += [f"--{boundary}", "Content-Type: text/rfc822-headers", "", ""]
    return "\r\n".join(lines).encode() + _headers(mail.data) + f"\r\n--{boundary}--\r\n".encode()


def _text(mail: Mail, report: Report) -> list[str]:
    recipients = ", ".join(mail.recipients)
    if report.is_complaint:
        return [f"{recipients} reported this email as spam.", ""]
    return [f"Your email could not be delivered to {recipients}.", "", f"The server said: {report.reply}", ""]


def _delivery_status(mail: Mail, report: Report) -> list[str]:
    """Return the fields of RFC 3464, sections 2.2 and 2.3."""
    lines = [f"Reporting-MTA: dns; {HOSTNAME}", f"Arrival-Date: {format_datetime(mail.created)}", ""]
    for recipient in mail.recipients:
        lines += [
            f"Final-Recipient: rfc822; {recipient}",
            "Action: failed",
            f"Status: {report.status}",
            f"Remote-MTA: dns; mx.{recipient.rpartition('@')[2]}",
            f"Diagnostic-Code: smtp; {report.reply}",
            "",
        ]
    return lines


def _feedback(mail: Mail) -> list[str]:
    """Return the fields of RFC 5965, section 3."""
    return [
        "Feedback-Type: abuse",
        "User-Agent: notifier-inbox/1.0",
        "Version: 1",
        f"Original-Mail-From: <{mail.sender}>",
        *(f"Original-Rcpt-To: <{recipient}>" for recipient in mail.recipients),
        f"Arrival-Date: {format_datetime(mail.created)}",
        "",
    ]


def _headers(data: bytes) -> bytes:
    head = data.replace(b"\r\n", b"\n").partition(b"\n\n")[0]
    return head[:MAX_HEADERS].replace(b"\n", b"\r\n") + b"\r\n"
