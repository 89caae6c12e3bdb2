"""The kinds of mail. A new one is a module here, a template folder, and a line in KINDS."""

from types import MappingProxyType

from notifier.emails.account_exists import AccountExists
from notifier.emails.kind import Category, EmailKind, Owed
from notifier.emails.verification import TOKEN_LIFE, Verification

#: The registry, by name.
KINDS: MappingProxyType[str, EmailKind] = MappingProxyType(
    {kind.name: kind for kind in (Verification(), AccountExists())}
)

__all__ = ["KINDS", "TOKEN_LIFE", "AccountExists", "Category", "EmailKind", "Owed", "Verification"]
