"""Disable an endpoint that fails, and tell the operators by email: a row of the ledger, as every email is."""

from datetime import timedelta
from urllib.parse import urlsplit

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier import clock, ledger
from notifier.emails.webhook_disabled import WebhookDisabled
from notifier.models import Operator, Role, WebhookEndpoint
from notifier.operators.audit_log import SYSTEM
from notifier.webhooks import endpoints

log = structlog.get_logger(__name__)


class Disabling:
    """Disable endpoints in the caller's transaction."""

    def __init__(self, *, grace: timedelta) -> None:
        """Create one. `grace`: the time that the outbox has before the sweep enqueues the emails."""
        self._grace = grace

    def disable(self, session: Session, endpoint: WebhookEndpoint, reason: str) -> None:
        """Disable an endpoint because of `reason`, and add an email to every active admin. The caller commits."""
        if not endpoints.disable(session, endpoint, reason, by=SYSTEM):
            return
        now = clock.now()
        admins = session.scalars(
            select(Operator).where(Operator.active, Operator.role == Role.admin.value).order_by(Operator.id)
        ).all()
        log.error("webhooks.disabled", endpoint=endpoint.id, operators=len(admins))
        for each in admins:
            ledger.add_to_operator(
                session,
                kind=WebhookDisabled.name,
                recipient=each.email,
                dedupe_key=f"webhook:{endpoint.id}:{int(now.timestamp())}:{each.id}",
                now=now,
                grace=self._grace,
                deadline=now + WebhookDisabled.lifetime,
                params={"endpoint": endpoint.id, "host": urlsplit(endpoint.url).netloc, "reason": reason[:200]},
            )
