"""An mbox of emails that came back, as the servers in use write them, about the emails of a ledger."""

import random
from collections import Counter
from collections.abc import Callable
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

from notifier import clock

#: The line before each email.
_FROM = "From MAILER-DAEMON Mon Nov 30 04:00:00 2026\n"

_DEAD = (
    "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the "
    "recipient's email address for typos or unnecessary spaces. 550 5.1.1 https://support.example/mail/?p=NoSuchUser",
    "550 5.1.1 <{to}>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [BN8NAM11FT066.eop-nam11.example]",
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient {to} not found by SMTP address lookup",
    "554 delivery error: dd This user doesn't have a account ({to}) [0] - mta4167.mail.example",
    "550 5.1.1 {to}... User unknown",
)
_FULL = (
    "452-4.2.2 The recipient's inbox is out of storage space. 452 4.2.2 https://support.example/mail/?p=OverQuotaTemp",
    "552 5.2.2 <{to}>: Mailbox full: quota exceeded",
    "554 5.2.2 STOREDRV.Deliver.Exception:QuotaExceededException; mailbox full",
)
_ABOUT_US = (
    "550-5.7.26 Your email has been blocked because the sender is unauthenticated. 550-5.7.26 Gmail requires all "
    "senders to authenticate with either SPF or DKIM. 550 5.7.26 https://support.example/mail/answer/81126#authentication",
    "550 5.7.515 Access denied, sending domain bounces.example.com doesn't meet the required authentication level.",
    "554 5.7.1 Service unavailable; Client host [192.0.2.17] blocked using a block list",
    "550 5.7.1 Message contains spam or virus.",
)


class Sent(NamedTuple):
    """An email of the ledger."""

    pk: int
    #: `pk.mac`
    notifier_id: str
    recipient: str


def write_mbox(path: Path, sent: list[Sent], number: int, seed: int) -> Counter[str]:
    """Write `number` emails about these emails, in any order. Return how many there are of each sort."""
    chance, written, sorts = random.Random(seed), list[bytes](), Counter[str]()
    about = iter(sent)
    names, weights = list(_SORTS), [weight for weight, _ in _SORTS.values()]
    last: list[Sent] = []
    with path.open("wb") as file:
        for _ in range(number):
            (sort,) = chance.choices(names, weights)
            if sort in {"the same again", "another about one email"} and not written:
                sort = "address dead"
            sorts[sort] += 1
            if sort == "the same again":
                data = chance.choice(written)
            else:
                of = chance.choice(last) if sort == "another about one email" else next(about)
                last = [*last[-49:], of]
                data = _SORTS[sort][1](of, chance).encode()
                written = [*written[-199:], data]
            file.write(_FROM.encode() + data + b"\n\n")
    return sorts


def _original(of: Sent, chance: random.Random, *, body: bool) -> str:
    """Return the headers of our email, with its text or without."""
    text = "".join(f"<p>Line {each} of the report for you: {chance.random():.6f}</p>=0A\n" for each in range(30))
    return (
        f"Return-Path: <b+{of.notifier_id}@bounces.example.com>\n"
        f"Received: from relay.example.com (relay.example.com [192.0.2.17]) by mx.example.net with ESMTPS id "
        f"{chance.getrandbits(60):x}\n for <{of.recipient}>; {_now()}\n"
        f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.com; s=m1; q=dns/txt;\n"
        f" h=From:To:Subject:Date:Message-ID:MIME-Version; bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\n"
        f" b={''.join(chance.choices('abcdefghijklmnop', k=300))}\n"
        f"From: Notifier <hello@example.com>\nTo: {of.recipient}\nSubject: Your report of November\n"
        f"Message-ID: <n{of.notifier_id}@example.com>\nX-Notifier-Id: {of.notifier_id}\nDate: {_now()}\n"
        f"List-Unsubscribe: <https://notifier.example.com/u/{chance.getrandbits(120):x}>\n"
        "List-Unsubscribe-Post: List-Unsubscribe=One-Click\nMIME-Version: 1.0\n"
        "Content-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n"
        + (text if body else "")
    )


def _now() -> str:
    return format_datetime(clock.now())


def _report(of: Sent, chance: random.Random, said: str, *, action: str = "failed", class_: str = "5.0.0") -> str:
    """Return a delivery status notification (RFC 3464) as one of three systems writes it."""
    said = said.format(to=of.recipient)
    style, host = chance.randrange(3), f"mx{chance.randrange(90)}.example.net"
    enhanced = next((word for word in said.replace("-", " ").split()[1:2] if word.count(".") == 2), class_)
    words = (
        f"This is the mail system at host {host}.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to "
        f"postmaster.\n\n                   The mail system\n\n<{of.recipient}>: host {host}[192.0.2.9] said: "
        f"{said}\n    (in reply to RCPT TO command)\n",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
        f"delivered to one or more of its\nrecipients. This is a permanent error.\n\n  {of.recipient}\n    host {host} "
        f"[192.0.2.9]\n    SMTP error from remote mail server after RCPT TO:<{of.recipient}>:\n    {said}\n",
        f"Delivery has failed to these recipients or groups:\n\n{of.recipient}\n\nDiagnostic information for "
        f"administrators:\n\nGenerating server: {host}\n\n{of.recipient}\nRemote server returned '{said}'\n",
    )[style]
    sender = ("MAILER-DAEMON@{} (Mail Delivery System)", "Mail Delivery System <Mailer-Daemon@{}>", "postmaster@{}")
    mark = f"=_{chance.getrandbits(80):x}"
    return (
        f"Return-Path: <>\nReceived: by mail.example.com id {chance.getrandbits(50):x}; {_now()}\nDate: {_now()}\n"
        f"From: {sender[style].format(host)}\nSubject: Undelivered Mail Returned to Sender\n"
        f"To: b+{of.notifier_id}@bounces.example.com\nAuto-Submitted: auto-replied\nMIME-Version: 1.0\n"
        f'Content-Type: multipart/report; report-type=delivery-status; boundary="{mark}"\n'
        f"Message-Id: <{chance.getrandbits(80):x}@{host}>\n\nThis is a MIME-encapsulated message.\n\n--{mark}\n"
        f"Content-Type: text/plain; charset=us-ascii\n\n{words}\n--{mark}\nContent-Type: message/delivery-status\n\n"
        f"Reporting-MTA: dns; {host}\nX-Postfix-Queue-ID: {chance.getrandbits(40):X}\nArrival-Date: {_now()}\n\n"
        f"Final-Recipient: rfc822; {of.recipient}\nAction: {action}\nStatus: {enhanced}\n"
        f"Remote-MTA: dns; {host}\nDiagnostic-Code: smtp; {said}\n\n--{mark}\n"
        + ("Content-Type: text/rfc822-headers\n\n" if style else "Content-Type: message/rfc822\n\n")
        + f"{_original(of, chance, body=not style)}\n--{mark}--\n"
    )


def _in_words(of: Sent, chance: random.Random) -> str:
    """Return a bounce without fields, as qmail writes it."""
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: b+{of.notifier_id}@bounces.example.com\nDate: {_now()}\n"
        "Subject: failure notice\n\nHi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to "
        "deliver your message to the following addresses.\nThis is a permanent error; I've given up. Sorry it didn't "
        f"work out.\n\n<{of.recipient}>:\n192.0.2.9 does not like recipient.\nRemote host said: 550 5.1.1 User "
        "unknown\nGiving up on 192.0.2.9.\n\n--- Below this line is a copy of the message.\n\n"
        + _original(of, chance, body=True)
    )


def _complaint(of: Sent, chance: random.Random) -> str:
    """Return a feedback report (RFC 5965)."""
    mark = f"mk{chance.getrandbits(60):x}"
    return (
        f"From: feedbackloop@isp.example.net\nTo: fbl@example.com\nDate: {_now()}\nSubject: Email Feedback Report\n"
        f'MIME-Version: 1.0\nContent-Type: multipart/report; report-type=feedback-report; boundary="{mark}"\n\n--{mark}'
        "\nContent-Type: text/plain\n\nThis is an email abuse report for an email message received.\n\n"
        f"--{mark}\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: Feedback/1.0\n"
        f"Version: 1\nOriginal-Mail-From: <b+{of.notifier_id}@bounces.example.com>\nSource-IP: 192.0.2.17\n\n--{mark}\n"
        f"Content-Type: message/rfc822\n\n{_original(of, chance, body=True)}\n--{mark}--\n"
    )


def _answer(of: Sent, chance: random.Random) -> str:
    """Return an automatic reply (RFC 3834)."""
    return (
        f"From: <{of.recipient}>\nTo: b+{of.notifier_id}@bounces.example.com\nDate: {_now()}\nAuto-Submitted: "
        f"auto-replied\nSubject: Out of office: Your report of November\nMessage-Id: <{chance.getrandbits(80):x}@x>\n\n"
        "I am out of the office until Monday and will answer your email then.\n"
    )


def _unknown(of: Sent, chance: random.Random) -> str:
    """Return a report about an email that is not ours, or with a MAC that is wrong."""
    mac = "".join(chance.choices("abcdefgh234567", k=16))
    return _report(of._replace(notifier_id=f"{of.pk}.{mac}"), chance, chance.choice(_DEAD))


def _foreign(of: Sent, chance: random.Random) -> str:
    return f"From: Someone <a{chance.getrandbits(60):x}@example.net>\nSubject: Offer\nDate: {_now()}\n\nHello!\n"


def _of(replies: tuple[str, ...]) -> Callable[[Sent, random.Random], str]:
    return lambda of, chance: _report(of, chance, chance.choice(replies))


def _late(of: Sent, chance: random.Random) -> str:
    return _report(of, chance, "451 4.4.1 Connection timed out", action="delayed", class_="4.4.1")


#: Each sort: how many of a hundred, and how it is made.
_SORTS: dict[str, tuple[float, Callable[[Sent, random.Random], str]]] = {
    "address dead": (50, _of(_DEAD)),
    "address dead, in words": (5, _in_words),
    "mailbox full": (13, _of(_FULL)),
    "about us": (12, _of(_ABOUT_US)),
    "complaint": (4, _complaint),
    "automatic reply": (5, _answer),
    "delayed": (2, _late),
    "without a right MAC": (5, _unknown),
    "not about an email of ours": (1, _foreign),
    "the same again": (2, _foreign),
    "another about one email": (1, _complaint),
}
