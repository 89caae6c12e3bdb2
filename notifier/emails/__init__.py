"""The kinds of mail. A new one is a module here, a template folder, and a line in KINDS."""

from types import MappingProxyType

from notifier.emails.account_exists import AccountExists
from notifier.emails.activity_digest import ActivityDigest
from notifier.emails.announcement import Announcement
from notifier.emails.kind import Category, EmailKind, Owed
from notifier.emails.monthly_report import MonthlyReport
from notifier.emails.verification import TOKEN_LIFE, Verification
from notifier.emails.verification_reminder import VerificationReminder

#: The registry, by name.
KINDS: MappingProxyType[str, EmailKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Verification(),
            AccountExists(),
            VerificationReminder(),
            MonthlyReport(),
            ActivityDigest(),
            Announcement(),
        )
    }
)

__all__ = ["KINDS", "TOKEN_LIFE", "AccountExists", "Category", "EmailKind", "Owed", "Verification"]
