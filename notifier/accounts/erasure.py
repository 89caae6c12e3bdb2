"""Erasure: a person goes, what the ledger needs to add up stays without them.

Every erasing leaves an entry in the audit log, which names the address by its digest: it says later that, and when,
the address was erased.
"""

from datetime import datetime

from sqlalchemy import ColumnElement, case, delete, func, select, update
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.consent import suppressions
from notifier.models import AccountRequest, Attempt, Notification, Status, User
from notifier.operators import audit_log
from notifier.operators.audit_log import About, Actor
from notifier.reasons import ReasonCode

#: Stands where an address was.
ERASED = "erased"


class ErasureError(ValueError):
    """The person cannot be erased now; the message says why."""


def erase(session: Session, user: User, *, keys: list[str], by: Actor) -> None:
    """Remove this person: account, activities, preferences, requests, and their address from every row.

    A suppression stays, without the address (`keys` as in SECRET_KEYS). The caller commits. Raises ErasureError while
    a mail to them is on its way.
    """
    _forget_requests(session, user.identity_key)
    mine = Notification.user_id == user.id
    _forget_rows(session, mine)
    _close(session, user.identity_key, user.id, keys, by)
    # The database deletes or detaches what hangs on the account.
    session.execute(delete(User).where(User.id == user.id), execution_options=_PLAIN)


def erase_address(session: Session, identity_key: str, *, keys: list[str], by: Actor) -> datetime | None:
    """Remove every person with this address, and what is kept of the address if there is no account (any more).

    Return when the address was erased before, None if it never was. An entry is left each time. The caller commits.
    Raises ErasureError while an email to them is on its way.
    """
    before = audit_log.erased_at(session, identity_key, keys)
    _forget_requests(session, identity_key)
    people = session.scalars(select(User).where(User.identity_key == identity_key).order_by(User.id)).all()
    for user in people:
        erase(session, user, keys=keys, by=by)
    if people:
        return before
    # Rows of an account that was deleted by other means. No index leads there, and it is done rarely.
    _forget_rows(session, func.lower(Notification.recipient) == identity_key)
    _close(session, identity_key, "", keys, by)
    return before


def _forget_requests(session: Session, identity_key: str) -> None:
    """Delete what was asked for with this address. First, because handling one may still add an email: this waits."""
    asked = delete(AccountRequest).where(AccountRequest.identity_key == identity_key)
    session.execute(asked, execution_options=_PLAIN)


def _forget_rows(session: Session, mine: ColumnElement[bool]) -> None:
    now = clock.now()
    waiting = select(Notification.id).where(mine, Notification.status == Status.pending)
    for pk in session.scalars(waiting).all():
        ledger.move(session, pk, Status.pending, Status.cancelled, now=now, code=ReasonCode.erased)
    busy = session.scalar(select(Notification.id).where(mine, Notification.status == Status.sending).limit(1))
    if busy is not None:
        raise ErasureError("A mail to this person is being sent right now. Try again in a few minutes.")
    rows = select(Notification.id).where(mine)
    # What servers said may quote the address, and the reason quotes servers.
    session.execute(
        update(Attempt).where(Attempt.notification_id.in_(rows)).values(text=None), execution_options=_PLAIN
    )
    reason = case((Notification.reason_code == ReasonCode.erased.value, Notification.reason), else_=None)
    values: dict[str, object] = {"recipient": ERASED, "last_text": None, "params": {}, "reason": reason}
    session.execute(update(Notification).where(mine).values(values), execution_options=_PLAIN)


def _close(session: Session, identity_key: str, user_id: int | str, keys: list[str], by: Actor) -> None:
    suppressions.conceal(session, identity_key, keys)
    about = About.address(identity_key, keys)
    audit_log.record(session, by, audit_log.ERASED, object_type="person", object_id=user_id, about=about)


_PLAIN = {"synchronize_session": False}
