"""Invitations and resets of operators: the link, and the email that carries it, in one transaction of the caller."""

import json
from datetime import timedelta

from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.emails.kind import SEALED
from notifier.emails.operator_link import OperatorLinkData, OperatorLinkEmail
from notifier.models import LinkPurpose, Operator, Role
from notifier.operators import links, roster, sessions
from notifier.operators.audit_log import Actor
from notifier.security.sealing import Sealer


class OperatorEmails:
    """Write the rows of the emails that let operators in."""

    def __init__(self, sealer: Sealer, *, grace: timedelta) -> None:
        """Create one. `sealer` seals tokens. `grace`: the time that the broker has before the sweep enqueues a row."""
        self._sealer = sealer
        self._grace = grace

    def invite(self, session: Session, *, email: str, role: Role, by: Actor) -> Operator:
        """Add an operator, and send them a link to choose a password. The caller commits.

        Raise OperatorError or AddressError.
        """
        operator = roster.invite(session, email=email, role=role, by=by)
        self.send(session, operator, LinkPurpose.invitation, by=by)
        return operator

    def send(self, session: Session, operator: Operator, purpose: LinkPurpose, *, by: Actor) -> None:
        """Send this operator a new link. The caller commits. Raise OperatorError if it would be of no use to them."""
        now = clock.now()
        token, expires_at = links.issue(session, operator, purpose, by=by, now=now)
        hours = round((expires_at - now) / timedelta(hours=1))
        data = OperatorLinkData(purpose=purpose.value, token=token, hours=hours)
        ledger.add_to_operator(
            session,
            kind=OperatorLinkEmail.name,
            recipient=operator.email,
            dedupe_key=f"operator:{operator.id}:{sessions.digest(token)[:32]}",
            now=now,
            grace=self._grace,
            # After it, the link would not work.
            deadline=expires_at,
            params={SEALED: self._sealer.seal(json.dumps(data.model_dump()))},
        )
