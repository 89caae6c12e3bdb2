"""Explain refusals that are about us: what each code means, and the provider's page about it."""

from collections.abc import Iterator
from typing import Final

from sqlalchemy.orm import Session

from notifier.doctor.scopes import DAYS, count
from notifier.mail.providers import PROVIDERS, label_of
from notifier.models import Notification, Status
from notifier.observability.held_providers import held_providers
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.report import ok, warn, wrong

HELD = Rule(Group.running, "provider.held", "docs/transports.md#a-provider-that-refuses-us")
REFUSED = Rule(Group.running, "provider.refuses", "RFC 7372 3; RFC 3463 3.8; the provider's page")

#: Codes in the report.
MOST = 20

_SPF, _DKIM = "let SPF pass for the sending address: see the line SPF", "sign with DKIM: see the line DKIM"
_DMARC = "let SPF or DKIM pass for the From domain and publish a DMARC record: see the line DMARC"
_LISTED = "ask for removal on the provider's page, after the cause is gone"

#: The end of an enhanced status code (after the first digit) -> what it says, and the cure.
CODES: Final = {
    "7.9": ("the email failed authentication", _DMARC),
    "7.20": ("no DKIM signature passed", _DKIM),
    "7.21": ("no DKIM signature that is acceptable", _DKIM),
    "7.22": ("the DKIM signature is of another domain than From", _DMARC),
    "7.23": ("SPF failed", _SPF),
    "7.24": ("SPF could not be evaluated", _SPF),
    "7.25": ("the sending address has no forward-confirmed PTR", "publish PTR and address: see the line PTR"),
    "7.26": ("neither SPF nor DKIM passed", _DMARC),
    "7.27": ("SPF failed", _SPF),
    "7.28": ("too many unsolicited emails from this address or domain", "send slower (MAIL_RATE), and to fewer people"),
    "7.29": ("the connection was not encrypted", "set MAIL_USE_TLS, or TLS in your mail server"),
    "7.30": ("DKIM failed", _DKIM),
    "7.32": ("the From domain is aligned with neither SPF nor DKIM", _DMARC),
    "7.40": ("the From domain has no DMARC record", _DMARC),
    "7.509": ("the email failed DMARC", _DMARC),
    "7.511": ("the sender is banned", _LISTED),
    "7.515": ("the rules for bulk senders: SPF, DKIM and DMARC must all pass", f"{_SPF}; {_DKIM}; {_DMARC}"),
    "7.606": ("the sending address is banned", _LISTED),
}
_OTHER = ("a verdict on us by policy or reputation", "follow the provider's page")


def check(session: Session) -> Iterator[Diagnosis]:
    """Yield providers that refuse us now, and refusals about us by code; one line if there are none."""
    lines = [*_held(session), *_refused(session)]
    yield from lines
    if not lines:
        yield ok(REFUSED, "Refusals", f"no known provider refused us by policy in {DAYS} days")


def _held(session: Session) -> Iterator[Diagnosis]:
    for hold in held_providers(session):
        code = next((end for end in sorted(CODES, key=len, reverse=True) if f".{end} " in f"{hold.said} "), "")
        said = f"refuses us through {hold.transport} since {hold.since:%Y-%m-%d %H:%M}: {hold.said}"
        page = f" ({hold.page})" if hold.page else ""
        yield wrong(HELD, f"{hold.name} is held", f"{said}; waiting: {hold.count}", CODES.get(code, _OTHER)[1] + page)


def _refused(session: Session) -> Iterator[Diagnosis]:
    columns = [Notification.last_enhanced.expression]
    found = [
        (emails, scope, enhanced)
        for scope, (enhanced,), emails in count(session, columns, [Status.failed, Status.bounced])
        if scope in PROVIDERS and enhanced is not None and enhanced[1:4] == ".7."
    ]
    for emails, scope, enhanced in sorted(found, reverse=True)[:MOST]:
        meaning, cure = CODES.get(enhanced[2:], _OTHER)
        said = f"{emails:,} refused in {DAYS} days: {meaning}"
        yield warn(REFUSED, f"{label_of(scope)} {enhanced}", said, f"{cure} ({PROVIDERS[scope].page})")
