r"""Emails that come back, as servers write them: a delivery status (RFC 3464) and a complaint (RFC 5965).

    with SmtpServer() as server:
        ...  # something sends
    for each in server.accepted:
        put(maildir, bounce(each, "550 5.1.1 User unknown"))

`notifier bounces read --maildir` then reads them. They carry the id of the email that they are about, and go to its
return path, so they are proven.
"""

import itertools
import os
from email.utils import formatdate
from pathlib import Path

from notifier.testing.smtp_script import Accepted

_numbers = itertools.count(1)

_BOUNCE = """\
From: MAILER-DAEMON@relay.example
To: {sender}
Date: {date}
Message-ID: <{number}@relay.example>
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="=_{number}"

--=_{number}
Content-Type: text/plain; charset=us-ascii

Your message could not be delivered to <{recipient}>:
host mx.example[192.0.2.1] said: {reply}

--=_{number}
Content-Type: message/delivery-status

Reporting-MTA: dns; relay.example

Final-Recipient: rfc822; {recipient}
Action: failed
Status: {status}
Remote-MTA: dns; mx.example
Diagnostic-Code: smtp; {reply}

--=_{number}
Content-Type: text/rfc822-headers

{headers}
--=_{number}--
"""

_COMPLAINT = """\
From: feedback@provider.example
To: {sender}
Date: {date}
Message-ID: <{number}@provider.example>
Subject: FW: an email was reported as spam
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="=_{number}"

--=_{number}
Content-Type: text/plain; charset=us-ascii

This is an email abuse report.

--=_{number}
Content-Type: message/feedback-report

Feedback-Type: abuse
User-Agent: Provider/1.0
Version: 1
Original-Rcpt-To: {recipient}

--=_{number}
Content-Type: text/rfc822-headers

{headers}
--=_{number}--
"""


def bounce(email: Accepted, reply: str) -> bytes:
    """Return the report that `email` could not be delivered, because of `reply`, such as "550 5.1.1 User unknown"."""
    return _filled(_BOUNCE, email, reply=reply, status=reply.split()[1])


def complaint(email: Accepted) -> bytes:
    """Return the report that the recipient of `email` marked it as spam."""
    return _filled(_COMPLAINT, email)


def put(maildir: Path, email: bytes) -> None:
    """Deliver into a Maildir, which is made if it is not there: a file appears in new/ at once and whole."""
    for part in ("tmp", "new", "cur"):
        (maildir / part).mkdir(parents=True, exist_ok=True)
    name = f"{next(_numbers)}.{os.getpid()}.relay"
    (maildir / "tmp" / name).write_bytes(email)
    (maildir / "tmp" / name).rename(maildir / "new" / name)


def _filled(form: str, email: Accepted, **values: str) -> bytes:
    headers = email.data.partition(b"\r\n\r\n")[0].decode("utf-8", "surrogateescape").replace("\r\n", "\n")
    values |= {"sender": email.mail_from, "recipient": email.rcpt_to[0], "headers": headers + "\n"}
    text = form.format(number=next(_numbers), date=formatdate(email.time), **values)
    return text.encode("utf-8", "surrogateescape")
