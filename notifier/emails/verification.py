"""verification: ask a new user to confirm that the address is theirs."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from notifier.database.expressions import moment_of
from notifier.emails.kind import Category, EmailKind, Owed

#: How long the link works, and so how long delivering it makes sense.
TOKEN_LIFE = timedelta(hours=24)


class Verification(EmailKind):
    """The email that a sign-up triggers."""

    name: ClassVar[str] = "verification"
    category: ClassVar[Category] = Category.security
    lifetime: ClassVar[timedelta] = TOKEN_LIFE
    because: ClassVar[str] = "You're receiving this because someone signed up with this address."
    first_email: ClassVar[bool] = True

    def unwanted(self, owed: Owed) -> str | None:
        """Return a reason if the user is verified: verified users do not need the link."""
        return "verified meanwhile" if owed.user.verified_at else None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return `verify_url` and `not_me_url`, the same in every attempt, `hours_valid`, and `own_signup`."""
        row = owed.notification
        # An email that had to wait gets a later link, which is not old when it arrives.
        planned = moment_of(row.params.get("send_at", 0))
        return links_of(owed, max(row.created_at, planned))


def links_of(owed: Owed, issued_at: datetime) -> dict[str, Any]:
    """Return both links, issued at this moment, how long they are valid, and whether people sign up on our pages.

    If they do not, the account is not ours to delete, and our pages have no form for a new link.
    """
    user, links = owed.user, owed.links
    verify, not_me = (
        link(user_id=user.id, identity_key=user.identity_key, nonce=user.link_nonce, issued_at=issued_at)
        for link in (links.verify, links.not_me)
    )
    return {
        "verify_url": verify,
        "not_me_url": not_me,
        "hours_valid": int(TOKEN_LIFE.total_seconds() // 3600),
        "own_signup": links.own_signup,
    }
