"""verification: asks a new user to confirm that the address is theirs."""

from datetime import timedelta
from typing import Any, ClassVar

from notifier.emails.kind import Category, EmailKind, Owed

#: How long the link works, and so how long it makes sense to try to deliver it.
TOKEN_LIFE = timedelta(hours=24)


class Verification(EmailKind):
    """The mail that a signup triggers."""

    name: ClassVar[str] = "verification"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = TOKEN_LIFE
    because: ClassVar[str] = "You get this mail because this address was used to sign up."

    def unwanted(self, owed: Owed) -> str | None:
        """Who is verified needs no link."""
        return "verified meanwhile" if owed.user.verified_at else None

    def context(self, owed: Owed) -> dict[str, Any]:
        """`verify_url`, the same in every try; `hours_valid` as the mail says it."""
        user = owed.user
        url = owed.links.verify(
            user_id=user.id,
            identity_key=user.identity_key,
            nonce=user.link_nonce,
            issued_at=owed.notification.created_at,
        )
        return {"verify_url": url, "hours_valid": int(TOKEN_LIFE.total_seconds() // 3600)}
