"""Check the shares of bounces and complaints at each mailbox provider."""

from collections import Counter, defaultdict
from collections.abc import Iterator

from sqlalchemy import case
from sqlalchemy.orm import Session

from notifier.doctor.scopes import DAYS, count
from notifier.mail.providers import PROVIDERS, label_of
from notifier.models import Notification, Status
from notifier.reasons import ReasonCode
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.report import ok, warn, wrong

BOUNCES = Rule(Group.running, "rate.bounces", "M3AAWG Sender Best Common Practices; Amazon SES acts at 5 %")
COMPLAINTS = Rule(Group.running, "rate.complaints", "Gmail's and Yahoo's sender guidelines: below 0.1 %, never 0.3 %")

#: Shares above which a provider distrusts us, and the fewest emails that say anything.
BOUNCES_WARN, BOUNCES_WRONG, BOUNCES_OF = 0.02, 0.05, 200
COMPLAINTS_WARN, COMPLAINTS_WRONG, COMPLAINTS_OF = 0.001, 0.003, 1_000

#: Providers and domains in the report; the rest have fewer emails.
MOST = 20

_SENT = (Status.sent, Status.bounced, Status.complained, Status.failed)


def check(session: Session) -> Iterator[Diagnosis]:
    """Yield the rates of providers that are too high, or one line that none is."""
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    dead = (Notification.status == Status.failed) & (Notification.reason_code == ReasonCode.address_refused)
    # An address that is refused at once counts as one whose bounce comes later.
    fate = case((dead, str(Status.bounced)), else_=Notification.status)
    for scope, (status,), emails in count(session, [fate], _SENT):
        totals[scope][status or ""] += emails
    largest = sorted(totals, key=lambda scope: -totals[scope].total())[:MOST]
    lines = [line for scope in largest for line in _judge(scope, totals[scope])]
    yield from lines
    if not lines:
        emails = sum(each.total() for each in totals.values())
        yield ok(COMPLAINTS, "Bounces and complaints", f"{emails:,} emails in {DAYS} days, no rate is too high")


def _judge(scope: str, fates: Counter[str]) -> Iterator[Diagnosis]:
    label, everything = label_of(scope), fates.total()
    sent = everything - fates[str(Status.failed)]
    bounced, complained = fates[str(Status.bounced)], fates[str(Status.complained)]
    page = f"; its page for senders: {PROVIDERS[scope].page}" if scope in PROVIDERS else ""
    if everything >= BOUNCES_OF and bounced > BOUNCES_WARN * everything:
        name, said = f"Bounces at {label}", f"{bounced / everything:.1%} of {everything:,} emails in {DAYS} days"
        cure = f"remove addresses that no one confirmed, and find where they came from{page}"
        yield (wrong if bounced > BOUNCES_WRONG * everything else warn)(BOUNCES, name, said, cure)
    if sent >= COMPLAINTS_OF and complained > COMPLAINTS_WARN * sent:
        name, said = f"Complaints at {label}", f"{complained / sent:.2%} of {sent:,} emails in {DAYS} days"
        cure = f"send less to people who do not read, and make unsubscribing easier to find{page}"
        yield (wrong if complained >= COMPLAINTS_WRONG * sent else warn)(COMPLAINTS, name, said, cure)
