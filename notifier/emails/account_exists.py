"""account_exists: tells the owner of a verified account that somebody signed up with the address again."""

from datetime import timedelta
from typing import Any, ClassVar

from notifier.emails.kind import Category, EmailKind, Owed


class AccountExists(EmailKind):
    """The page answers every signup alike; only the owner of the mailbox learns that there is an account."""

    name: ClassVar[str] = "account_exists"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = timedelta(hours=24)
    because: ClassVar[str] = "You're receiving this because someone tried to sign up with this address again."

    def unwanted(self, owed: Owed) -> str | None:
        """Always wanted: it may be the only sign that somebody else tries the address."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """`signin_url`: where the account is."""
        return {"signin_url": owed.links.home()}
