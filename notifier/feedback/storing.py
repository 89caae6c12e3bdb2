"""Store events: one row for each, however often it comes. The operators' tray is bounded here."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, cast

from sqlalchemy import delete, select, text, update
from sqlalchemy.orm import Session

from notifier.accounts.erasure import ERASED
from notifier.bounces.reasons import ABOUT_MAILBOX, RULES, SENTENCES, Verdict
from notifier.database.keys import among
from notifier.database.listed import insert_new
from notifier.feedback.events import EventKind, FeedbackEvent
from notifier.feedback.matching import Matched
from notifier.feedback.scopes import scopes_of
from notifier.mail.providers import domain_of
from notifier.metrics import provider_label, tally
from notifier.metrics.catalogue import BOUNCES, COMPLAINTS
from notifier.models import IN_TRAY, UNASSIGNED, Effect, Feedback
from notifier.security.redaction import without_addresses
from notifier.smtp.outcome import MAX_TEXT, clean

#: Events of one source that may wait for an operator; beyond, the oldest are dropped. Anyone can forge an email, and
#: what a provider has signed must not make room for it.
MOST_IN_TRAY = 10_000
#: Events of one source whose rows are kept, with those that were dropped, and how many come between two looks at that.
MOST_KEPT, KEPT_LOOK = 100_000, 1000

#: RFC 3463, section 2.
_ENHANCED = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)

_F = Feedback
_TABLE = cast("Any", Feedback.__table__)
_PLAIN = {"synchronize_session": False}


class Stored(NamedTuple):
    """An event with its row and its email."""

    pk: int
    email: Matched
    event: FeedbackEvent


def store_all(
    session: Session, found: Sequence[tuple[FeedbackEvent, Matched | None]], now: datetime
) -> list[int | None]:
    """Insert the rows of these events. Return their keys in this order; None for an event that has one already.

    Of several copies of an event the first one counts.
    """
    if not found:
        return []
    named = [_address(event, email) for event, email in found]
    domains = [domain_of(address)[:255] for address in named]
    scopes = scopes_of(session, set(domains))
    rows = [
        _row(event, email, address, scopes[domain], now)
        for (event, email), address, domain in zip(found, named, domains, strict=True)
    ]
    new = insert_new(session, _TABLE, rows, unique=("source", "event_id"))
    made = {(source, event_id): pk for pk, source, event_id in new}
    _count(session, found, new, scopes, domains)
    return [made.pop((event.source, event.event_id), None) for event, _ in found]


def _count(
    session: Session,
    found: Sequence[tuple[FeedbackEvent, Matched | None]],
    new: Collection[tuple[int, str, str]],
    scopes: Mapping[str, str],
    domains: Sequence[str],
) -> None:
    """Count the new bounces and complaints for monitoring."""
    waiting = {(source, event_id) for _, source, event_id in new}
    bounced: Counter[tuple[str, str]] = Counter()
    complained: Counter[str] = Counter()
    for (event, _), domain in zip(found, domains, strict=True):
        if (event.source, event.event_id) not in waiting:
            continue
        waiting.remove((event.source, event.event_id))
        if event.kind is EventKind.bounce:
            bounced[event.source, _class_of(event)] += 1
        elif event.kind is EventKind.complaint:
            complained[provider_label(scopes[domain])] += 1
    for labels, number in sorted(bounced.items()):
        tally(session, BOUNCES, *labels, by=number)
    for provider, number in sorted(complained.items()):
        tally(session, COMPLAINTS, provider, by=number)


def _class_of(event: FeedbackEvent) -> str:
    if event.is_about_us:
        return "about_us"
    return {Verdict.HARD: "hard", Verdict.SOFT: "soft"}.get(event.verdict, "other")


def _address(event: FeedbackEvent, email: Matched | None) -> str:
    """Return the address that the row is about; "" if its person was erased."""
    if email is None:
        return clean(event.recipient)
    return "" if email.recipient == ERASED else email.recipient


def _row(event: FeedbackEvent, email: Matched | None, address: str, scope: str, now: datetime) -> dict[str, Any]:
    return {
        "source": event.source,
        "event_id": event.event_id,
        "kind": event.kind.value,
        "verdict": event.verdict.value,
        "reason": event.reason.value if event.reason is not None else None,
        "code": event.code,
        "enhanced": enhanced_of(event),
        "text": _text(event),
        "rule_version": RULES,
        "notification_id": email.pk if email is not None else None,
        "matched_by": email.by if email is not None else "none",
        "proven": email is not None and email.proven,
        "identity_key": email.identity_key if email is not None and address else None,
        "recipient": address[:320] if email is None else None,
        "provider": scope,
        "happened_at": event.happened_at,
        "received_at": now,
        "effect": expected(event, email).value,
    }


def expected(event: FeedbackEvent, email: Matched | None) -> Effect:
    """Return the effect that the event has by itself: most rows are written once."""
    if email is None:
        return Effect.waiting
    if email.redirected:
        return Effect.none  # what comes back of it is about another address
    if event.kind is EventKind.complaint:
        return Effect.complained
    if event.kind is not EventKind.bounce or not event.acts:
        return Effect.none
    if event.is_about_us:
        return Effect.counted
    if event.verdict is Verdict.HARD:
        return Effect.suppressed
    return Effect.scored if event.reason in ABOUT_MAILBOX else Effect.none


def set_effects(session: Session, effects: dict[int, Effect]) -> None:
    """Store what followed from these rows."""
    for effect in sorted(set(effects.values())):
        mine = among(session, _F.id, [pk for pk, each in effects.items() if each is effect])
        session.execute(update(_F).where(mine).values(effect=effect.value), execution_options=_PLAIN)


def bound_tray(session: Session, waiting: Mapping[str, Collection[int]]) -> None:
    """Drop the oldest events beyond MOST_IN_TRAY of these sources, given with the keys of the events that are new.

    The row of a dropped event stays without what it said, so that the same email does not come a second time. Beyond
    MOST_KEPT the oldest rows go, too; that is looked at about once in KEPT_LOOK events.
    """
    for source, keys in waiting.items():
        last = _beyond(session, source, IN_TRAY, MOST_IN_TRAY)
        if last is not None:
            values = {"effect": Effect.dropped.value, "recipient": None, "text": None}
            old = (text(IN_TRAY), _F.source == source, _F.id <= last)
            session.execute(update(_F).where(*old).values(values), execution_options=_PLAIN)
        if any(pk % KEPT_LOOK == 0 for pk in keys):
            last = _beyond(session, source, UNASSIGNED, MOST_KEPT)
            if last is not None:
                old = (text(UNASSIGNED), _F.source == source, _F.id <= last)
                session.execute(delete(_F).where(*old), execution_options=_PLAIN)


def _beyond(session: Session, source: str, which: str, most: int) -> int | None:
    """Return the newest event of a source that is too many."""
    query = select(_F.id).where(text(which), _F.source == source)
    return session.scalar(query.order_by(_F.id.desc()).offset(most).limit(1))


def enhanced_of(event: FeedbackEvent) -> str | None:
    """Return the enhanced code; None for a field of a report that has something else in it."""
    return event.enhanced if _ENHANCED.fullmatch(event.enhanced or "") else None


def reply_of(event: FeedbackEvent) -> str:
    """Return what was said, for people."""
    said = " ".join(str(each) for each in (event.code, enhanced_of(event), _text(event)) if each)
    return said or (SENTENCES[event.reason] if event.reason is not None else "")


def _text(event: FeedbackEvent) -> str | None:
    return without_addresses(clean(event.text))[:MAX_TEXT] or None
