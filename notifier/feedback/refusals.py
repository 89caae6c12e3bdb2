"""Reports that a provider refuses us: behind a relay they come back as bounces of emails that were already sent.

One report proves little, because its recipient could have written it. Several recipients at several domains together
pause the campaigns to their provider; emails that people wait for go on. The pause ends by itself: an hour after the
last report, one email probes.
"""

from collections.abc import Collection, Container, Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.bounces.reasons import ABOUT_US, PASSING
from notifier.feedback.events import FeedbackEvent
from notifier.feedback.scopes import scopes_of
from notifier.feedback.storing import Stored, enhanced_of
from notifier.mail import providers
from notifier.mail.providers import domain_of
from notifier.models import Feedback, Notification, ProviderHold
from notifier.security.redaction import without_addresses
from notifier.smtp.outcome import MAX_TEXT, Phase, clean

log = structlog.get_logger(__name__)

#: Reports within this time count together.
WITHIN = timedelta(minutes=10)
#: How long campaigns pause after the last report.
PAUSE = timedelta(hours=1)
#: At a provider's own domains every recipient has a mailbox there. So many times more of them are enough without
#: further domains: else a list with gmail.com alone would never pause.
ONE_DOMAIN_FACTOR = 5
#: Reports that are looked at.
_MOST = 1000

_F, _H = Feedback, ProviderHold


def pause_providers(
    session: Session, stored: Sequence[Stored], acting: Container[int], now: datetime, *, witnesses: int
) -> None:
    """Pause the campaigns to those providers about which enough people reported a refusal, these events included.

    All of `stored` are about us, in their order, and count. Only those with a key in `acting` pause anything. The
    caller commits.
    """
    scopes = scopes_of(session, {domain_of(each.email.recipient) for each in stored})
    by_key: dict[tuple[str, str], list[Stored]] = {}
    for each in stored:
        scope = scopes[domain_of(each.email.recipient)]
        if scope in providers.PROVIDERS and each.email.transport is not None and each.event.reason not in PASSING:
            by_key.setdefault((each.email.transport, scope), []).append(each)
    for (transport, scope), some in by_key.items():
        if event := _decisive(session, transport, scope, some, acting, now, witnesses):
            _hold(session, transport, scope, event, now)


def _decisive(
    session: Session,
    transport: str,
    scope: str,
    some: Sequence[Stored],
    acting: Container[int],
    now: datetime,
    witnesses: int,
) -> FeedbackEvent | None:
    """Return the first of these events with which enough people reported a refusal; None if they are too few."""
    reporters = _reporters(session, scope, transport, now, but=[each.pk for each in some])
    are_enough = _are_enough(reporters, scope, witnesses)
    for each in some:
        reporters.add(each.email.identity_key)
        are_enough = are_enough or _are_enough(reporters, scope, witnesses)
        if are_enough and each.pk in acting:
            return each.event
    return None


def _reporters(session: Session, scope: str, transport: str, now: datetime, *, but: Collection[int]) -> set[str]:
    """Return who reported a refusal, by the newest reports without those in `but`."""
    query = (
        select(_F.id, _F.identity_key)
        .join(Notification, Notification.id == _F.notification_id)
        .where(
            _F.provider == scope,
            _F.received_at > now - WITHIN,
            _F.received_at <= now,
            _F.kind == "bounce",
            _F.reason.in_([each.value for each in ABOUT_US - PASSING]),
            _F.identity_key.is_not(None),
            Notification.transport == transport,
            ~Notification.redirected,
        )
        .order_by(_F.received_at.desc())
        .limit(_MOST + len(but))
    )
    return {key for pk, key in session.execute(query) if key is not None and pk not in set(but)}


def _are_enough(reporters: Collection[str], scope: str, witnesses: int) -> bool:
    domains = [providers.domain_of(each) for each in reporters]
    own = sum(providers.provider_of(each) == scope for each in domains)
    return len(set(domains)) >= witnesses or own >= ONE_DOMAIN_FACTOR * witnesses


def _hold(session: Session, transport: str, scope: str, event: FeedbackEvent, now: datetime) -> None:
    """Open the pause, or extend it. A hold by replies that we got ourselves stays as it is."""
    key = providers.key(transport, scope)
    values = {
        "key": key,
        "transport": transport,
        "scope": scope,
        "held_since": now,
        "phase": Phase.EOD.value,
        "code": event.code,
        "enhanced": enhanced_of(event),
        "text": without_addresses(clean(event.text))[:MAX_TEXT],
        "next_probe_at": now + PAUSE,
        "probes": 0,
        "bulk_only": True,
    }
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    statement = insert(_H).values(values).on_conflict_do_nothing().returning(_H.key)
    if session.scalar(statement) is not None:
        log.error("provider.reported", transport=transport, provider=scope, code=event.code, enhanced=event.enhanced)
        return
    extended = update(_H).where(_H.key == key, _H.bulk_only).values(next_probe_at=now + PAUSE)
    session.execute(extended.execution_options(synchronize_session=False))
