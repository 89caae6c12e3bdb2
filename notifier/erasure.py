"""Erasure: a person goes, what the ledger needs to add up stays without them."""

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from notifier import audit_log, clock, ledger, suppressions
from notifier.audit_log import Actor
from notifier.models import AccountRequest, Attempt, Notification, Status, User
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
    now = clock.now()
    # First, because one that is being handled may still add an email: this waits for it.
    asked = delete(AccountRequest).where(AccountRequest.identity_key == user.identity_key)
    session.execute(asked, execution_options=_PLAIN)
    mine = Notification.user_id == user.id
    waiting = select(Notification.id).where(mine, Notification.status == Status.pending)
    for pk in session.scalars(waiting).all():
        ledger.move(session, pk, Status.pending, Status.cancelled, now=now, code=ReasonCode.erased)
    busy = session.scalar(select(Notification.id).where(mine, Notification.status == Status.sending).limit(1))
    if busy is not None:
        raise ErasureError("A mail to this person is being sent right now. Try again in a few minutes.")

    suppressions.conceal(session, user.identity_key, keys)
    rows = select(Notification.id).where(mine)
    # What servers said often quotes the address.
    session.execute(
        update(Attempt).where(Attempt.notification_id.in_(rows)).values(text=None), execution_options=_PLAIN
    )
    session.execute(
        update(Notification).where(mine).values(recipient=ERASED, last_text=None, params={}), execution_options=_PLAIN
    )
    audit_log.record(session, by, "person.erased", object_type="person", object_id=user.id)
    # The database deletes or detaches what hangs on the account.
    session.execute(delete(User).where(User.id == user.id), execution_options=_PLAIN)


_PLAIN = {"synchronize_session": False}
