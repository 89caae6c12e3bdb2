"""Links that let an operator in: invitations, and resets of the password or the second factor.

The token has 256 random bits, and the row keeps its digest only. An operator has one link at a time, which works once:
a newer one replaces it, and so does each use.
"""

import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from notifier.models import LinkPurpose, Operator, OperatorLink
from notifier.operators import audit_log, roster, second_factor
from notifier.operators.audit_log import Actor
from notifier.operators.roster import OperatorError
from notifier.operators.sessions import digest

#: How long each link works. Invitations wait for people; a reset is used by a person who asked for it a moment ago.
LIVES: Mapping[LinkPurpose, timedelta] = MappingProxyType(
    {
        LinkPurpose.invitation: timedelta(days=3),
        LinkPurpose.password: timedelta(hours=1),
        LinkPurpose.second_factor: timedelta(hours=1),
    }
)


class Issued(NamedTuple):
    """A new link: its token, which nothing can show again, and when it ends."""

    token: str
    expires_at: datetime


def issue(session: Session, operator: Operator, purpose: LinkPurpose, *, by: Actor, now: datetime) -> Issued:
    """Make a link for this operator; earlier ones no longer work. The caller commits.

    Raise OperatorError if it would be of no use to them.
    """
    _check(operator, purpose)
    session.flush()
    session.execute(delete(OperatorLink).where(OperatorLink.operator_id == operator.id))
    token, expires_at = secrets.token_urlsafe(32), now + LIVES[purpose]
    session.add(
        OperatorLink(
            operator_id=operator.id, purpose=purpose.value, token_hash=digest(token), created_at=now,
            expires_at=expires_at,
        )
    )  # fmt: skip
    audit_log.record(
        session, by, "operator.link_sent", object_type="operator", object_id=operator.id,
        after={"purpose": purpose.value, "expires_at": expires_at},
    )  # fmt: skip
    session.flush()
    return Issued(token, expires_at)


def _check(operator: Operator, purpose: LinkPurpose) -> None:
    if not operator.active:
        raise OperatorError("this operator is disabled: enable the operator first")
    if purpose is LinkPurpose.invitation and not operator.invited:
        raise OperatorError("this operator has accepted the invitation")
    if purpose is not LinkPurpose.invitation and operator.invited:
        raise OperatorError("this operator has not accepted the invitation: send the invitation again")
    if purpose is LinkPurpose.second_factor and operator.totp_secret is None:
        raise OperatorError("this operator has no second factor")


def find(session: Session, token: str, *, now: datetime) -> tuple[Operator, LinkPurpose] | None:
    """Return whose link this is, and what for; None if it is unknown, used, replaced or too old."""
    row = session.execute(
        select(Operator, OperatorLink.purpose)
        .join(OperatorLink, OperatorLink.operator_id == Operator.id)
        .where(OperatorLink.token_hash == digest(token), OperatorLink.expires_at > now, Operator.active.is_(True))
    ).one_or_none()
    return None if row is None else (row[0], LinkPurpose(row[1]))


def open_links(session: Session, now: datetime) -> dict[int, OperatorLink]:
    """Return the links that work, by the key of their operator."""
    return {row.operator_id: row for row in session.scalars(select(OperatorLink).where(OperatorLink.expires_at > now))}


def choose_password(session: Session, token: str, password: str, *, by: Actor, now: datetime) -> bool:
    """Use a link of an invitation or a password; all sessions end. Return False if it does not work any more.

    Raise OperatorError for a password that is too short or too long; the link then still works. The caller commits.
    """
    found = find(session, token, now=now)
    if found is None or found[1] is LinkPurpose.second_factor:
        return False
    operator, purpose = found
    roster.check_new(password)
    if not _use(session, token):
        return False
    if purpose is LinkPurpose.invitation:
        audit_log.record(session, by, "operator.invitation_accepted", object_type="operator", object_id=operator.id)
    roster.change_password(session, operator, password, by=by)
    return True


def turn_off_second_factor(session: Session, token: str, *, by: Actor, now: datetime) -> bool:
    """Use a link of a second factor; all sessions end. Return False if it does not work any more.

    The caller has checked the password, and commits.
    """
    found = find(session, token, now=now)
    if found is None or found[1] is not LinkPurpose.second_factor or not _use(session, token):
        return False
    second_factor.reset_second_factor(session, found[0], by=by)
    return True


def _use(session: Session, token: str) -> bool:
    """Delete the link. Of two requests at once, one gets True."""
    used = delete(OperatorLink).where(OperatorLink.token_hash == digest(token)).returning(OperatorLink.id)
    return session.scalar(used.execution_options(synchronize_session=False)) is not None
