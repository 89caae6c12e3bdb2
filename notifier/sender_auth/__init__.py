"""Check, for `notifier check-dns`, whether receivers can authenticate our email; sign it with DKIM."""

from notifier.sender_auth.checks import Signing, Subject, examine
from notifier.sender_auth.lookup import DnsResolver, LookupFailed, Resolver, Unreachable
from notifier.sender_auth.report import AuthCheck, Level

__all__ = [
    "AuthCheck",
    "DnsResolver",
    "Level",
    "LookupFailed",
    "Resolver",
    "Signing",
    "Subject",
    "Unreachable",
    "examine",
]
