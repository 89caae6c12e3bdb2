"""account_exists: tell the owner of a verified account that its address was used to sign up again."""

from datetime import timedelta
from typing import Any, ClassVar

from notifier.emails.kind import Category, EmailKind, Owed


class AccountExists(EmailKind):
    """The page answers every sign-up alike, so only the owner of the mailbox learns that there is an account."""

    name: ClassVar[str] = "account_exists"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(hours=24)
    because: ClassVar[str] = "You're receiving this because someone tried to sign up with this address again."

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: it is always wanted, because it may be the only sign that another person uses the address."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `signin_url`, the address of the sign-in page, and `own_signup`."""
        return {"signin_url": owed.links.home(), "own_signup": owed.links.own_signup}
