"""Reports that a provider refuses us: behind a relay they come back as bounces of emails that were already sent.

One report proves little, because its recipient could have written it. Several recipients at several domains together
pause the campaigns to their provider; emails that people wait for go on. The pause ends by itself: an hour after the
last report, one email probes.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from notifier.bounces.reasons import ABOUT_US, Reason
from notifier.feedback.events import FeedbackEvent
from notifier.feedback.matching import Matched
from notifier.mail import providers
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
#: Refusals that the next email may not meet, because another email is smaller or comes later.
_PASSING = frozenset({Reason.TOO_BIG, Reason.GREYLISTED})

_F, _H = Feedback, ProviderHold


def pause_provider(
    session: Session, email: Matched, scope: str, event: FeedbackEvent, now: datetime, *, witnesses: int
) -> bool:
    """Pause the campaigns to the provider `scope` if enough people reported a refusal, that in `event` included.

    Return whether campaigns are paused. The caller commits.
    """
    if scope not in providers.PROVIDERS or email.transport is None or event.reason in _PASSING:
        return False
    if not _are_enough(_reporters(session, scope, email.transport, now), scope, witnesses):
        return False
    _hold(session, email.transport, scope, event, now)
    return True


def _reporters(session: Session, scope: str, transport: str, now: datetime) -> set[str]:
    query = (
        select(_F.identity_key)
        .join(Notification, Notification.id == _F.notification_id)
        .where(
            _F.provider == scope,
            _F.received_at > now - WITHIN,
            _F.kind == "bounce",
            _F.reason.in_([each.value for each in ABOUT_US - _PASSING]),
            _F.identity_key.is_not(None),
            Notification.transport == transport,
        )
        .distinct()
        .limit(_MOST)
    )
    return {key for key in session.scalars(query) if key is not None}


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
