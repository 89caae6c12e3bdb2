"""Call an endpoint by hand, outside of the feed: to see at once what it answers."""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult

from notifier import clock
from notifier.events import EventType
from notifier.models import WebhookEndpoint
from notifier.security.sealing import SealError
from notifier.webhooks.addresses import BadUrl, checked_url
from notifier.webhooks.calling import post
from notifier.webhooks.endpoints import EndpointError, Endpoints
from notifier.webhooks.wire import Answer, Wire


@dataclass(frozen=True, slots=True)
class Trial:
    """A `webhook.test` event as plain values: no transaction is open while it is sent."""

    url: SplitResult
    secrets: Sequence[str]
    body: bytes

    def post(self, wire: Wire) -> Answer:
        """Send it once."""
        return post(wire, self.url, self.secrets, f"evt_test_{secrets.token_urlsafe(12)}", self.body)


def message_for(known: Endpoints, endpoint: WebhookEndpoint, *, loopback: bool) -> Trial:
    """Build the message. Raise EndpointError if the endpoint cannot be called. `loopback`: as in `checked_url`."""
    now = clock.now()
    body = {
        "type": EventType.webhook_test.value,
        "timestamp": now.isoformat().replace("+00:00", "Z"),
        "data": {"endpoint": endpoint.id},
    }
    try:
        url = checked_url(endpoint.url, loopback=loopback)
        signing = known.secrets_of(endpoint, now)
    except (BadUrl, SealError) as error:
        raise EndpointError(f"the endpoint cannot be called: {error}") from None
    return Trial(url, signing, json.dumps(body, separators=(",", ":")).encode())
