"""Erasure: delete a person, and keep what the ledger needs to add up, without them.

Each erasure leaves an entry in the audit log, which names the address by its digest and so can tell later whether and
when the address was erased.

Of a person of an application that embeds us a row with their id there is left (`User.erased_at`), because that
application still knows them: otherwise their next change there would bring them back. It is a row of the same table,
not a digest in another one, for two reasons. The statement that mirrors people leaves them out by itself, even if the
erasure commits at the same moment; and a digest would end with its key in SECRET_KEYS, or, without a key, hide no
number. When the application deletes the person, the row is deleted too.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import suppressions
from notifier.models import (
    DETACHED,
    IN_TRAY,
    AccountRequest,
    Activity,
    Attempt,
    Consent,
    Feedback,
    Notification,
    Preference,
    Status,
    User,
)  # fmt: skip
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor
from notifier.reasons import ReasonCode

#: Stored in place of an address.
ERASED = "erased"

#: Characters of the reference of an erasure, such as the number of a ticket.
REFERENCE_LIMIT = 60


class ErasureError(ValueError):
    """The person cannot be erased now; the message says why."""


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure deleted, in numbers: the receipt, which the entry in the audit log keeps."""

    accounts: int = 0
    activities: int = 0
    preferences: int = 0
    consents: int = 0
    #: Emails that stay in the ledger without address, data and replies, and those of them that were cancelled.
    emails: int = 0
    cancelled: int = 0
    #: Whether the address stays suppressed, as a keyed hash.
    is_suppressed: bool = False


def erase(session: Session, user: User, *, keys: list[str], by: Actor, reference: str = "") -> None:
    """Delete a person: account, activities, preferences, requests, and their address in every row.

    A suppression stays, without the address (`keys` as in SECRET_KEYS). A person of an application that embeds us does
    not come back by a change there. `reference`: of the request in the operator's own books, such as a ticket; it must
    name no person. The caller commits. Raise ErasureError while an email to them is being sent.
    """
    pk, identity_key, external_id = user.id, user.identity_key, user.external_id
    _forget_requests(session, identity_key)
    # A transaction that adds an email to them right now ends before their rows are looked at.
    session.execute(select(User.id).where(User.id == pk).with_for_update())
    owned = {
        "activities": _count(session, Activity.user_id == pk),
        "preferences": _count(session, Preference.user_id == pk),
        "consents": _count(session, Consent.user_id == pk),
    }
    emails, cancelled = _forget_rows(session, Notification.user_id == pk)
    # People of an application that embeds us may share a mailbox: its suppression then still needs the address.
    others = select(User.id).where(User.identity_key == identity_key, User.id != pk).limit(1)
    if session.scalar(others) is None:
        suppressions.conceal(session, identity_key, keys)
        _forget_decisions(session, identity_key)
    is_suppressed = suppressions.is_kept(session, identity_key, keys)
    erased = Erased(1, **owned, emails=emails, cancelled=cancelled, is_suppressed=is_suppressed)
    _record(session, identity_key, pk, keys, by, erased, reference)
    # The database deletes or detaches the rows that refer to the account.
    session.execute(delete(User).where(User.id == pk), execution_options=_PLAIN)
    if external_id is not None and not external_id.startswith(DETACHED):
        left = {"external_id": external_id, "email": "", "identity_key": "", "abuse_key": None}
        session.execute(insert(User).values(**left, erased_at=clock.now()), execution_options=_PLAIN)


def erase_address(
    session: Session, identity_key: str, *, keys: list[str], by: Actor, reference: str = ""
) -> datetime | None:
    """Delete every person with this address, and what is kept of the address if there is no account.

    Return when the address was erased before; None if it never was. Each call leaves an entry. The caller commits.
    Raise ErasureError while an email to them is being sent.
    """
    before = audit_log.erased_at(session, identity_key, keys)
    _forget_requests(session, identity_key)
    people = session.scalars(select(User).where(User.identity_key == identity_key).order_by(User.id)).all()
    for user in people:
        erase(session, user, keys=keys, by=by, reference=reference)
    if people:
        return before
    # Rows of an account that was deleted by other means. It has no index, and is done rarely.
    emails, cancelled = _forget_rows(session, func.lower(Notification.recipient) == identity_key)
    suppressions.conceal(session, identity_key, keys)
    _forget_decisions(session, identity_key)
    is_suppressed = suppressions.is_kept(session, identity_key, keys)
    erased = Erased(emails=emails, cancelled=cancelled, is_suppressed=is_suppressed)
    _record(session, identity_key, "", keys, by, erased, reference)
    return before


def _forget_requests(session: Session, identity_key: str) -> None:
    """Delete the forms' requests for this address, and what came back and could not be assigned.

    This comes first, and waits for a worker that handles one, because handling it may still add an email.
    """
    asked = delete(AccountRequest).where(AccountRequest.identity_key == identity_key)
    session.execute(asked, execution_options=_PLAIN)
    # What names the address and waits for an operator. There are few, in an index of their own.
    tray = delete(Feedback).where(text(IN_TRAY), func.lower(Feedback.recipient) == identity_key)
    session.execute(tray, execution_options=_PLAIN)


def _forget_decisions(session: Session, identity_key: str) -> None:
    """Take the address from decisions of people who have another one now, and delete those of the address alone."""
    about = Consent.identity_key == identity_key
    session.execute(delete(Consent).where(about, Consent.user_id.is_(None)), execution_options=_PLAIN)
    session.execute(update(Consent).where(about).values(identity_key=None), execution_options=_PLAIN)


def _forget_rows(session: Session, mine: ColumnElement[bool]) -> tuple[int, int]:
    """Take everything about the person from these rows. Return how many there are, and how many were cancelled."""
    now = clock.now()
    waiting = select(Notification.id).where(mine, Notification.status == Status.pending)
    cancelled = [
        ledger.move(session, pk, Status.pending, Status.cancelled, now=now, code=ReasonCode.erased)
        for pk in session.scalars(waiting).all()
    ]
    busy = session.scalar(select(Notification.id).where(mine, Notification.status == Status.sending).limit(1))
    if busy is not None:
        raise ErasureError("An email to this person is being sent right now. Try again in a few minutes.")
    rows = select(Notification.id).where(mine)
    nameless = update(Feedback).where(Feedback.notification_id.in_(rows)).values(identity_key=None, text=None)
    session.execute(nameless, execution_options=_PLAIN)
    # Servers' replies may quote the address, and the reason quotes replies.
    session.execute(
        update(Attempt).where(Attempt.notification_id.in_(rows)).values(text=None), execution_options=_PLAIN
    )
    reason = case((Notification.reason_code == ReasonCode.erased.value, Notification.reason), else_=None)
    values: dict[str, object] = {"recipient": ERASED, "last_text": None, "params": {}, "reason": reason}
    emails = _count(session, mine)
    session.execute(update(Notification).where(mine).values(values), execution_options=_PLAIN)
    return emails, sum(cancelled)


def _count(session: Session, where: ColumnElement[bool]) -> int:
    return session.scalar(select(func.count()).where(where)) or 0


def _record(
    session: Session, identity_key: str, user_id: int | str, keys: list[str], by: Actor, erased: Erased, reference: str
) -> None:
    about = About.address(identity_key, keys) if identity_key else None
    after: dict[str, Any] = asdict(erased) | ({"reference": reference} if reference else {})
    audit_log.record(session, by, audit_log.ERASED, object_type="person", object_id=user_id, about=about, after=after)


_PLAIN = {"synchronize_session": False}
