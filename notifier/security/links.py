"""The addresses of our pages as mails carry them: from PUBLIC_URL, never from a request."""

from dataclasses import dataclass
from datetime import datetime

from notifier.security.tokens import Signer


@dataclass(frozen=True, slots=True)
class Links:
    """Builds absolute links below `base` (no trailing slash)."""

    base: str
    signer: Signer

    def verify(self, *, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Confirms an address. The same arguments give the same link, so a retried mail does not change."""
        token = self.signer.issue_verification(user_id, identity_key, nonce, issued_at)
        return f"{self.base}/verify/{token}"

    def not_me(self, *, user_id: int, identity_key: str, nonce: str, issued_at: datetime) -> str:
        """Return the link by which the owner of a mailbox says that they did not sign up; the same each time."""
        token = self.signer.issue_not_me(user_id, identity_key, nonce, issued_at)
        return f"{self.base}/not-me/{token}"

    def unsubscribe(
        self, *, user_id: int, identity_key: str, category: str, notification_id: int | None, issued_at: datetime
    ) -> str:
        """Ends one category of mail; for List-Unsubscribe too. The same arguments give the same link."""
        token = self.signer.issue_unsubscribe(user_id, identity_key, category, notification_id, issued_at)
        return f"{self.base}/u/{token}"

    def preferences(self, *, user_id: int, identity_key: str, notification_id: int | None, issued_at: datetime) -> str:
        """Where people choose which mails they get. The same arguments give the same link."""
        token = self.signer.issue_preferences(user_id, identity_key, notification_id, issued_at)
        return f"{self.base}/preferences/{token}"

    def home(self) -> str:
        """The front page."""
        return f"{self.base}/"
