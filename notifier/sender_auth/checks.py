"""Run the checks of the sender's identity and of DNS, in order."""

from collections.abc import Callable
from functools import partial

from notifier.sender_auth.dkim_check import SIGNS, check_dkim, dkim_name
from notifier.sender_auth.dmarc_check import check_dmarc
from notifier.sender_auth.identity_check import check_identity
from notifier.sender_auth.lookup import LookupFailed, Resolver, Unreachable
from notifier.sender_auth.reachability import BOUNCES, check_mx, check_ptr
from notifier.sender_auth.report import Diagnosis, Group, Rule, warn, wrong
from notifier.sender_auth.spf import check_spf
from notifier.sender_auth.subject import Subject
from notifier.sender_auth.tls_check import check_tls
from notifier.sender_auth.web import WebClient

REACHABLE = Rule(Group.dns, "dns.reachable", "RFC 1034 5")
ANSWERS = Rule(Group.dns, "dns.answers", "RFC 2308 7")

#: One check: the name of its line if it fails, and the function.
Check = tuple[str, Callable[[], Diagnosis | list[Diagnosis]]]


def examine(subject: Subject, resolver: Resolver, web: WebClient) -> list[Diagnosis]:
    """Return the results of all checks; a single one if DNS does not answer at all. Never raise for DNS errors."""
    try:
        resolver.txt(subject.domain)
    except Unreachable as error:
        said, cure = f"{error}; nothing was checked", "is this machine connected, and may it ask DNS servers?"
        return [wrong(REACHABLE, "DNS", said, cure)]
    except LookupFailed:
        pass  # the checks report what failed
    bounces = subject.bounce_domain
    checks: list[Check] = [
        ("Sender", partial(check_identity, subject, resolver)),
        (f"SPF of {bounces}", partial(check_spf, bounces, resolver, subject.ip)),
        *[(dkim_name(each), partial(check_dkim, each, resolver)) for each in subject.signings],
        *([] if subject.signings else [("DKIM", _unsigned)]),
        (f"DMARC of {subject.domain}", partial(check_dmarc, subject, resolver)),
        (f"MX of {bounces}", partial(check_mx, BOUNCES, f"MX of {bounces}", bounces, "bounces are lost", resolver)),
        ("PTR", partial(check_ptr, subject, resolver)),
        (f"MTA-STS of {bounces}", partial(check_tls, bounces, resolver, web)),
    ]
    return [line for name, check in checks for line in _answered(name, check)]


def _unsigned() -> Diagnosis:
    cure = "set MAIL_DKIM_*, or give --selector if the mail server signs"
    return warn(SIGNS, "DKIM", "notifier signs nothing", cure)


def _answered(name: str, check: Callable[[], Diagnosis | list[Diagnosis]]) -> list[Diagnosis]:
    try:
        lines = check()
    except LookupFailed as error:
        return [wrong(ANSWERS, name, str(error), "try again; if it persists, check that domain's DNS servers")]
    return lines if isinstance(lines, list) else [lines]
