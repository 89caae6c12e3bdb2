"""Build the URLs of our pages for emails: from PUBLIC_URL, never from a request."""

from dataclasses import dataclass
from datetime import datetime

from notifier.security.tokens import Signer


@dataclass(frozen=True, slots=True)
class Links:
    """Build absolute links below `base`, and to `home_url`, both without a trailing slash.

    The same arguments always give the same link, so a retried email does not change.
    """

    base: str
    signer: Signer
    #: The application's own pages; empty: it has none beside ours, at `base`.
    home_url: str = ""
    #: Whether people sign up on our pages. Inside another application they do not.
    own_signup: bool = True

    def verify(self, *, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the link that confirms an address."""
        token = self.signer.issue_verification(user_id, identity_key, nonce, issued_at)
        return f"{self.base}/verify/{token}"

    def not_me(self, *, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the link by which the owner of a mailbox says that they did not sign up."""
        token = self.signer.issue_not_me(user_id, identity_key, nonce, issued_at)
        return f"{self.base}/not-me/{token}"

    def unsubscribe(
        self, *, user_id: int, identity_key: str, category: str, notification_id: int | None, issued_at: datetime
    ) -> str:
        """Return the link that unsubscribes from one category; it also serves List-Unsubscribe (RFC 8058)."""
        token = self.signer.issue_unsubscribe(user_id, identity_key, category, notification_id, issued_at)
        return f"{self.base}/u/{token}"

    def both(
        self, *, user_id: int, identity_key: str, category: str, notification_id: int | None, issued_at: datetime
    ) -> tuple[str, str]:
        """Return the unsubscribe link and the link to the email preferences of one email.

        They share a token: two signatures would take a tenth of the time in which an email is made.
        """
        token = self.signer.issue_unsubscribe(user_id, identity_key, category, notification_id, issued_at)
        return f"{self.base}/u/{token}", f"{self.base}/preferences/{token}"

    def preferences(self, *, user_id: int, identity_key: str, notification_id: int | None, issued_at: datetime) -> str:
        """Return the link to the email preferences."""
        token = self.signer.issue_preferences(user_id, identity_key, notification_id, issued_at)
        return f"{self.base}/preferences/{token}"

    def admin(self, path: str) -> str:
        """Return the address of a page of the admin."""
        return f"{self.base}/admin/{path}"

    def home(self) -> str:
        """Return the address of the front page."""
        return f"{self.front_page}/"

    @property
    def front_page(self) -> str:
        """Return the address of the front page, without a trailing slash."""
        return self.home_url or self.base
