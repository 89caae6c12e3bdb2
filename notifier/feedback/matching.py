"""Find the email that an event is about. Only an id of ours with its MAC, or a signed source, proves it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.orm import Session

from notifier.bounces.names import Claim
from notifier.database.keys import among
from notifier.feedback.events import EMAIL, FeedbackEvent
from notifier.mail.addresses import identity_of
from notifier.mail.message_ids import MAX_KEY, Ids, NotifierId
from notifier.mail.return_path import read_return_path
from notifier.models import Notification, Status

_N = Notification
_Row = Row[*tuple[Any, ...]]

#: How an id was carried, as the row stores it, the most direct way first.
_WAYS = {"return_path": "verp", "message_id": "message_id", "x_notifier_id": "notifier_id"}
#: An operator named the email.
OPERATOR = "operator"
#: Ids of other systems that are looked up.
_MAX_SERVER_IDS = 5


@dataclass(frozen=True, slots=True)
class Matched:
    """The email that an event is about."""

    pk: int
    status: Status
    recipient: str
    user_id: int | None
    campaign_id: int | None
    run_id: int | None
    transport: str | None
    created_at: datetime
    sent_at: datetime | None
    unknowns: int
    #: verp, message_id, notifier_id, server_id or operator
    by: str
    #: Whether a MAC of ours proved it.
    proven: bool
    #: Whether staging sent it to another address: then nothing that comes back is about `recipient`.
    redirected: bool

    @property
    def identity_key(self) -> str:
        """The identity of the address that it was sent to, which may differ from the account's present one."""
        return identity_of(self.recipient)


_COLUMNS = (
    _N.id, _N.status, _N.recipient, _N.user_id, _N.campaign_id, _N.run_id, _N.transport, _N.created_at, _N.sent_at,
    _N.unknowns, _N.dedupe_key, _N.id_key, _N.message_id, _N.redirected,
)  # fmt: skip


def find_all(session: Session, ids: Ids, events: Sequence[FeedbackEvent]) -> list[Matched | None]:
    """Return, for each of these events, the email that it is about; None if that is not proven.

    An id without its MAC proves nothing, and nor do ids of several emails. The id that the mail server gave an email
    is no secret to those who got it, so it counts only if the source has signed the event.
    """
    claimed = [_possible(event.claims) for event in events]
    pks = {each.id for claims in claimed for each in claims}
    rows = {row.id: row for row in session.execute(select(*_COLUMNS).where(among(session, _N.id, pks)))} if pks else {}
    return [_found(session, ids, event, claims, rows) for event, claims in zip(events, claimed, strict=True)]


def _possible(claims: Sequence[Claim]) -> list[Claim]:
    return [each for each in claims if 0 < each.id <= MAX_KEY]


def _found(
    session: Session, ids: Ids, event: FeedbackEvent, claims: Sequence[Claim], rows: Mapping[int, _Row]
) -> Matched | None:
    if claims:
        found = _by_claims(ids, claims, rows)
        return None if found is None or _is_about_another(event, found) else found
    if event.is_signed and event.server_ids:
        return _by_server_ids(session, event)
    return None


def is_return_path(session: Session, ids: Ids, address: str) -> bool:
    """Return whether this address is the return path of an email that we have, with its MAC."""
    named = read_return_path(address)
    if named is None:
        return False
    row = session.execute(select(*_COLUMNS).where(_N.id == named.pk)).one_or_none()
    return row is not None and _is_proven(ids, Claim("return_path", named.pk, named.mac), row)


def by_key(session: Session, pk: int) -> Matched | None:
    """Return the email with this key, as an operator names it; None if there is none."""
    row = session.execute(select(*_COLUMNS).where(_N.id == pk)).one_or_none()
    return None if row is None else _matched(row, OPERATOR, proven=False)


def _by_claims(ids: Ids, claims: Sequence[Claim], rows: Mapping[int, _Row]) -> Matched | None:
    (pk, *others) = {each.id for each in claims}
    row = rows.get(pk)
    if others or row is None:
        return None
    ways = {each.source for each in claims if _is_proven(ids, each, row)}
    way = next((name for source, name in _WAYS.items() if source in ways), None)
    return None if way is None else _matched(row, way, proven=True)


def _is_proven(ids: Ids, claim: Claim, row: _Row) -> bool:
    # Letters that only look like ours when their case is ignored are none of ours.
    if not claim.mac.isascii():
        return False
    found = NotifierId(claim.id, claim.mac.lower())
    return ids.proves(found, pk=row.id, dedupe_key=row.dedupe_key, key=row.id_key, message_id=row.message_id)


def _by_server_ids(session: Session, event: FeedbackEvent) -> Matched | None:
    names = [each for each in event.server_ids[:_MAX_SERVER_IDS] if each]
    rows = session.execute(select(*_COLUMNS).where(_N.server_id.is_not(None), _N.server_id.in_(names)).limit(2)).all()
    if len(rows) != 1:
        return None
    found = _matched(rows[0], "server_id", proven=False)
    if event.recipient and identity_of(event.recipient) != found.identity_key:
        return None
    return found


def _is_about_another(event: FeedbackEvent, found: Matched) -> bool:
    """Return whether the event names another address than that of the email.

    Emails that came back may: servers that forward report the address behind them. A provider knows what we gave it.
    """
    named = event.recipient if event.source != EMAIL else ""
    return bool(named) and identity_of(named) != found.identity_key


def _matched(row: _Row, by: str, *, proven: bool) -> Matched:
    return Matched(
        row.id, Status(row.status), row.recipient, row.user_id, row.campaign_id, row.run_id, row.transport,
        row.created_at, row.sent_at, row.unknowns, by, proven, row.redirected,
    )  # fmt: skip
