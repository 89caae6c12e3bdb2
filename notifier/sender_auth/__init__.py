"""Check, for `notifier doctor`, whether receivers can authenticate our email; sign it with DKIM."""

from notifier.sender_auth.checks import examine
from notifier.sender_auth.lookup import DnsResolver, LookupFailed, Resolver, Unreachable
from notifier.sender_auth.report import Diagnosis, Group, Level, Rule
from notifier.sender_auth.subject import Signing, Subject
from notifier.sender_auth.web import UrlClient, WebAnswer, WebClient, WebUnreachable, WebUntrusted

__all__ = [
    "Diagnosis",
    "DnsResolver",
    "Group",
    "Level",
    "LookupFailed",
    "Resolver",
    "Rule",
    "Signing",
    "Subject",
    "Unreachable",
    "UrlClient",
    "WebAnswer",
    "WebClient",
    "WebUnreachable",
    "WebUntrusted",
    "examine",
]
