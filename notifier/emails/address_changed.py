"""address_changed: tell an address that it is no longer that of an account, if its owner had confirmed it."""

from datetime import timedelta
from typing import Any, ClassVar

from notifier.emails.kind import Category, EmailKind, Owed
from notifier.mail.addresses import identity_of


class AddressChanged(EmailKind):
    """A person whose account was taken over learns of it here, at the only address that is still theirs."""

    name: ClassVar[str] = "address_changed"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(days=3)
    because: ClassVar[str] = "You're receiving this because this was the email address of your account until now."

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if the address belongs to the account: it was put back before the email was sent."""
        if identity_of(owed.notification.recipient) == owed.user.identity_key:
            return "the account has this address"
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `home_url`, the front page of the application."""
        return {"home_url": owed.links.home()}
