"""webhook_disabled: tell the operators that an endpoint of another application gets no more events."""

from datetime import timedelta
from typing import Any, ClassVar

from notifier.emails.kind import Category, EmailKind, Owed


class WebhookDisabled(EmailKind):
    """One email to each admin when an endpoint was disabled because it failed."""

    name: ClassVar[str] = "webhook_disabled"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(days=2)
    because: ClassVar[str] = "You're receiving this because you are an admin of our email service."
    to_operators: ClassVar[bool] = True

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: it is always wanted, because the events are missed meanwhile."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `host` (of the endpoint), `reason` and `endpoint_url`, the page of the endpoint in the admin."""
        params = owed.notification.params
        page = owed.links.admin(f"webhook-endpoints/{params.get('endpoint', 0)}")
        return {"host": params.get("host", ""), "reason": params.get("reason", ""), "endpoint_url": page}
