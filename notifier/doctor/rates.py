"""Check the shares of bounces and complaints at each mailbox provider."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta

from sqlalchemy import case
from sqlalchemy.orm import Session

from notifier import clock
from notifier.mail.providers import PROVIDERS, label_of
from notifier.models import Notification, Status
from notifier.observability.came_back import Returned, returned, settled
from notifier.reasons import ReasonCode
from notifier.sender_auth import Diagnosis, Group, Rule
from notifier.sender_auth.report import ok, warn, wrong

BOUNCES = Rule(Group.running, "rate.bounces", "M3AAWG Sender Best Common Practices; Amazon SES acts at 5 %")
COMPLAINTS = Rule(Group.running, "rate.complaints", "Gmail's and Yahoo's sender guidelines: below 0.1 %, never 0.3 %")

#: Shares above which a provider distrusts us, and the fewest emails that say anything.
BOUNCES_WARN, BOUNCES_WRONG, BOUNCES_OF = 0.02, 0.05, 200
COMPLAINTS_WARN, COMPLAINTS_WRONG, COMPLAINTS_OF = 0.001, 0.003, 1_000

#: Days that are looked back on.
DAYS = 30

#: Providers and domains in the report; the rest have fewer emails.
MOST = 20

_ANSWERED = (Status.sent, Status.bounced, Status.complained, Status.failed)
#: Of these: refused at once because the address does not exist.
_DEAD = "dead"


def check(session: Session) -> Iterator[Diagnosis]:
    """Yield the rates of providers that are too high, or one line that none is."""
    since = clock.now() - timedelta(days=DAYS)
    totals: dict[str, Counter[str]] = defaultdict(Counter)
    dead = (Notification.status == Status.failed) & (Notification.reason_code == ReasonCode.address_refused)
    fate = case((dead, _DEAD), else_=Notification.status)
    for scope, (status,), emails in settled(session, [fate], _ANSWERED, since):
        totals[scope][status or ""] += emails
    came_back = returned(session, since)
    largest = sorted(totals, key=lambda scope: -totals[scope].total())[:MOST]
    lines = [line for scope in largest for line in _judge(scope, totals[scope], came_back.get(scope, Returned()))]
    yield from lines
    if not lines:
        yield ok(COMPLAINTS, "Bounces and complaints", _all(totals, came_back))


def _judge(scope: str, fates: Counter[str], came_back: Returned) -> Iterator[Diagnosis]:
    label, everything = label_of(scope), fates.total()
    sent = everything - fates[Status.failed] - fates[_DEAD]
    # An address that is refused at once counts as one whose bounce comes later.
    dead, complained = fates[_DEAD] + came_back.hard, came_back.complaints
    page = f"; its page for senders: {PROVIDERS[scope].page}" if scope in PROVIDERS else ""
    if everything >= BOUNCES_OF and dead > BOUNCES_WARN * everything:
        name, said = f"Bounces at {label}", f"{dead / everything:.1%} of {everything:,} emails in {DAYS} days"
        said += f"; soft: {came_back.soft / everything:.1%}" if came_back.soft else ""
        cure = f"remove addresses that no one confirmed, and find where they came from{page}"
        yield (wrong if dead > BOUNCES_WRONG * everything else warn)(BOUNCES, name, said, cure)
    if sent >= COMPLAINTS_OF and complained > COMPLAINTS_WARN * sent:
        name, said = f"Complaints at {label}", f"{complained / sent:.2%} of {sent:,} emails in {DAYS} days"
        cure = f"send less to people who do not read, and make unsubscribing easier to find{page}"
        yield (wrong if complained >= COMPLAINTS_WRONG * sent else warn)(COMPLAINTS, name, said, cure)


def _all(totals: dict[str, Counter[str]], came_back: dict[str, Returned]) -> str:
    emails = sum(each.total() for each in totals.values())
    every = sum(came_back.values(), Returned())
    hard = every.hard + sum(each[_DEAD] for each in totals.values())
    said = f"{hard:,} hard bounces, {every.soft:,} soft ones, {every.complaints:,} complaints"
    return f"{emails:,} emails in {DAYS} days: {said}; no rate is too high"
