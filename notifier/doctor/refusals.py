"""Explain refusals that are about us: what each code means, and the provider's page about it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from sqlalchemy.orm import Session

from notifier import clock
from notifier.bounces.reasons import SENTENCES
from notifier.mail.providers import PROVIDERS, label_of
from notifier.observability.came_back import Refusal, refusals
from notifier.observability.held_providers import held_providers
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.report import ok, warn, wrong

HELD = Rule(Group.running, "provider.held", "docs/transports.md#a-provider-that-refuses-us")
REFUSED = Rule(Group.running, "provider.refuses", "RFC 7372 3; RFC 3463 3.8; the provider's page")

#: Days that are looked back on, and codes in the report.
DAYS, MOST = 30, 20

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
    # Any server can say that it is about us; only a known provider's word is a verdict.
    found = [each for each in refusals(session, clock.now() - timedelta(days=DAYS)) if each.scope in PROVIDERS]
    for refusal in found[:MOST]:
        meaning, cure = _explained(refusal)
        came_back = f", {refusal.reported:,} of them after they were sent" if refusal.reported else ""
        said = f"{refusal.emails:,} refused in {DAYS} days{came_back}: {meaning}"
        name = f"{label_of(refusal.scope)} {refusal.code or 'without a code'}"
        yield warn(REFUSED, name, said, f"{cure} ({PROVIDERS[refusal.scope].page})")


def _explained(refusal: Refusal) -> tuple[str, str]:
    known = CODES.get(refusal.code[2:])
    if known is None and refusal.reason is not None:
        return SENTENCES[refusal.reason].rstrip("."), _OTHER[1]
    return known or _OTHER
