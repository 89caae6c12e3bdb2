"""What `notifier check-dns` knows: would a receiver believe that our mail is ours?"""

from notifier.dnscheck.checks import Signing, Subject, examine
from notifier.dnscheck.lookup import DnsResolver, LookupFailed, Resolver, Unreachable
from notifier.dnscheck.report import Level, Line

__all__ = [
    "DnsResolver",
    "Level",
    "Line",
    "LookupFailed",
    "Resolver",
    "Signing",
    "Subject",
    "Unreachable",
    "examine",
]
