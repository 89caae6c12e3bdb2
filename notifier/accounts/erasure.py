"""Erasure: delete a person, and keep what the ledger needs to add up, without them.

Each erasure leaves an entry in the audit log, which names the address by its digest and so can tell later whether and
when the address was erased.

Of a person of an application that embeds us a row with their id there is left (`User.erased_at`), because that
application still knows them: otherwise their next change there would bring them back. It is a row of the same table,
not a digest in another one, for two reasons. The statement that mirrors people leaves them out by itself, even if the
erasure commits at the same moment; and a digest would end with its key in SECRET_KEYS, or, without a key, hide no
number. When the application deletes the person, the row is deleted too.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, func, insert, select, text, update
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import suppressions
from notifier.models import DETACHED, IN_TRAY, AccountRequest, Attempt, Consent, Feedback, Notification, Status, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor
from notifier.reasons import ReasonCode

#: Stored in place of an address.
ERASED = "erased"


class ErasureError(ValueError):
    """The person cannot be erased now; the message says why."""


def erase(session: Session, user: User, *, keys: list[str], by: Actor) -> None:
    """Delete a person: account, activities, preferences, requests, and their address in every row.

    A suppression stays, without the address (`keys` as in SECRET_KEYS). A person of an application that embeds us does
    not come back by a change there. The caller commits. Raise ErasureError while an email to them is being sent.
    """
    pk, identity_key, external_id = user.id, user.identity_key, user.external_id
    _forget_requests(session, identity_key)
    # A transaction that adds an email to them right now ends before their rows are looked at.
    session.execute(select(User.id).where(User.id == pk).with_for_update())
    _forget_rows(session, Notification.user_id == pk)
    # People of an application that embeds us may share a mailbox: its suppression then still needs the address.
    others = select(User.id).where(User.identity_key == identity_key, User.id != pk).limit(1)
    if session.scalar(others) is None:
        suppressions.conceal(session, identity_key, keys)
        _forget_decisions(session, identity_key)
    _record(session, identity_key, pk, keys, by)
    # The database deletes or detaches the rows that refer to the account.
    session.execute(delete(User).where(User.id == pk), execution_options=_PLAIN)
    if external_id is not None and not external_id.startswith(DETACHED):
        left = {"external_id": external_id, "email": "", "identity_key": "", "abuse_key": None}
        session.execute(insert(User).values(**left, erased_at=clock.now()), execution_options=_PLAIN)


def erase_address(session: Session, identity_key: str, *, keys: list[str], by: Actor) -> datetime | None:
    """Delete every person with this address, and what is kept of the address if there is no account.

    Return when the address was erased before; None if it never was. Each call leaves an entry. The caller commits.
    Raise ErasureError while an email to them is being sent.
    """
    before = audit_log.erased_at(session, identity_key, keys)
    _forget_requests(session, identity_key)
    people = session.scalars(select(User).where(User.identity_key == identity_key).order_by(User.id)).all()
    for user in people:
        erase(session, user, keys=keys, by=by)
    if people:
        return before
    # Rows of an account that was deleted by other means. It has no index, and is done rarely.
    _forget_rows(session, func.lower(Notification.recipient) == identity_key)
    suppressions.conceal(session, identity_key, keys)
    _forget_decisions(session, identity_key)
    _record(session, identity_key, "", keys, by)
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


def _forget_rows(session: Session, mine: ColumnElement[bool]) -> None:
    now = clock.now()
    waiting = select(Notification.id).where(mine, Notification.status == Status.pending)
    for pk in session.scalars(waiting).all():
        ledger.move(session, pk, Status.pending, Status.cancelled, now=now, code=ReasonCode.erased)
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
    session.execute(update(Notification).where(mine).values(values), execution_options=_PLAIN)


def _record(session: Session, identity_key: str, user_id: int | str, keys: list[str], by: Actor) -> None:
    about = About.address(identity_key, keys) if identity_key else None
    audit_log.record(session, by, audit_log.ERASED, object_type="person", object_id=user_id, about=about)


_PLAIN = {"synchronize_session": False}
