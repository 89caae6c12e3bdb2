"""The kinds of email. A new kind is a module here, a template folder, and a line in `registry`."""

from datetime import timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from notifier.emails.account_exists import AccountExists
from notifier.emails.activity_digest import ActivityDigest
from notifier.emails.address_changed import AddressChanged
from notifier.emails.announcement import Announcement
from notifier.emails.kind import Category, EmailKind, Owed
from notifier.emails.monthly_report import MonthlyReport
from notifier.emails.operator_link import OperatorLinkEmail
from notifier.emails.security_message import SecurityMessage
from notifier.emails.verification import TOKEN_LIFE, Verification
from notifier.emails.verification_reminder import VerificationReminder
from notifier.emails.webhook_disabled import WebhookDisabled

if TYPE_CHECKING:
    # The writer in another application's process has kinds, but none of our settings.
    from notifier.config.settings import Settings


def registry(
    *,
    digest_within: timedelta = timedelta(minutes=5),
    digest_gap: timedelta = timedelta(hours=1),
    report_grace: timedelta = timedelta(hours=1),
) -> MappingProxyType[str, EmailKind]:
    """Return all kinds by name, with these settings."""
    kinds: tuple[EmailKind, ...] = (
        Verification(),
        AccountExists(),
        AddressChanged(),
        SecurityMessage(),
        VerificationReminder(),
        MonthlyReport(grace=report_grace),
        ActivityDigest(within=digest_within, gap=digest_gap),
        Announcement(),
        WebhookDisabled(),
        OperatorLinkEmail(),
    )
    return MappingProxyType({kind.name: kind for kind in kinds})


def registry_of(settings: "Settings") -> MappingProxyType[str, EmailKind]:
    """Return all kinds by name, as these settings want them."""
    return registry(
        digest_within=timedelta(seconds=settings.digest_within),
        digest_gap=timedelta(seconds=settings.digest_gap),
        report_grace=timedelta(seconds=settings.report_grace),
    )


#: The kinds by name, with the default settings.
KINDS: MappingProxyType[str, EmailKind] = registry()

__all__ = [
    "KINDS",
    "TOKEN_LIFE",
    "AccountExists",
    "AddressChanged",
    "Category",
    "EmailKind",
    "OperatorLinkEmail",
    "Owed",
    "SecurityMessage",
    "Verification",
    "WebhookDisabled",
    "registry",
    "registry_of",
]
