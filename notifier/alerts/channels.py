"""How operators are told: by email through any mail server that takes it, and by a webhook."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from notifier.alerts.notices import Notice, as_message
from notifier.config.settings import Settings
from notifier.mail.message import Message
from notifier.smtp.outcome import Decision, Outcome
from notifier.webhooks.addresses import BadUrl, checked_url
from notifier.webhooks.wire import Wire

log = structlog.get_logger(__name__)

#: Hands one email to one mail server.
HandOver = Callable[[Message], Outcome]


class Channels:
    """Tells operators. Has no state."""

    def __init__(self, settings: Settings, servers: Sequence[HandOver], wire: Wire) -> None:
        """Send through the first of `servers` that takes the email, and by `wire`."""
        self._settings = settings
        self._servers = servers
        self._wire = wire

    @property
    def are_set(self) -> bool:
        """Whether there is anyone to tell."""
        return bool(self._settings.alert_emails or self._settings.alert_webhook_url)

    def tell(self, notice: Notice, now: datetime) -> bool:
        """Tell all operators by all ways. Return whether one of them took it."""
        # The webhook first: it does not wait for a mail server that hangs.
        taken = [self._post(notice)] if self._settings.alert_webhook_url else []
        taken += [self._email(notice, address, now) for address in self._settings.alert_emails]
        return any(taken)

    def _post(self, notice: Notice) -> bool:
        try:
            url = checked_url(self._settings.alert_webhook_url, loopback=self._settings.webhook_loopback)
        except BadUrl as error:
            log.error("alert.webhook_refused", reason=str(error))
            return False
        answer = self._wire.post(url, {}, notice.payload)
        if not answer.ok:
            log.error("alert.webhook_failed", reason=answer.error)
        return answer.ok

    def _email(self, notice: Notice, address: str, now: datetime) -> bool:
        message = as_message(notice, address, self._settings, now)
        for hand_over in self._servers:
            outcome = hand_over(message)
            if outcome.decision is Decision.ACCEPTED:
                return True
            log.error("alert.email_failed", decision=outcome.decision, code=outcome.code)
        return False
