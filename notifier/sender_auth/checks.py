"""Run all checks in order; SPF has its own module."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address

from notifier.config.cross_checks import is_loopback
from notifier.sender_auth.dkim_keys import GOOD_RSA, MIN_RSA, KeyProblem, PublicKey
from notifier.sender_auth.lookup import LookupFailed, Resolver, Unreachable
from notifier.sender_auth.report import AuthCheck, ok, warn, wrong
from notifier.sender_auth.spf import check_spf

_DMARC = re.compile(r"v=DMARC1\s*(?:;|\Z)")


@dataclass(frozen=True, slots=True)
class Signing:
    """A DKIM signature that receivers see. `key` is None if the mail server, not notifier, has the private key."""

    domain: str
    selector: str
    key: PublicKey | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The sender to check. Domains are A-labels."""

    #: The domain of the From address.
    domain: str
    #: The domain of the envelope sender, where SPF is looked up and bounces arrive.
    bounce_domain: str
    signings: tuple[Signing, ...] = ()
    #: The mail server that we hand emails to.
    server: str = ""
    #: The IP address from which receivers get the emails, if known.
    ip: str | None = None


def examine(subject: Subject, resolver: Resolver) -> list[AuthCheck]:
    """Return the results of all checks; a single one if DNS does not answer at all. Never raise for DNS errors."""
    try:
        resolver.txt(subject.domain)
    except Unreachable as error:
        return [wrong("DNS", f"{error}: is this machine connected, and may it ask DNS servers? Nothing was checked")]
    except LookupFailed:
        pass  # the checks report what failed
    checks: list[tuple[str, Callable[[], AuthCheck]]] = [
        (f"SPF of {subject.bounce_domain}", partial(check_spf, subject.bounce_domain, resolver)),
        *[(_dkim_name(each), partial(_check_dkim, each, resolver)) for each in subject.signings],
        (f"DMARC of {subject.domain}", partial(_check_dmarc, subject, resolver)),
        (f"MX of {subject.bounce_domain}", partial(_check_mx, subject.bounce_domain, resolver)),
        ("PTR", partial(_check_ptr, subject, resolver)),
    ]
    lines = [_answered(name, check) for name, check in checks]
    if not subject.signings:
        text = "notifier signs nothing: set MAIL_DKIM_*, or give --selector if the mail server signs"
        lines.insert(1, warn("DKIM", text))
    return lines


def _answered(name: str, check: Callable[[], AuthCheck]) -> AuthCheck:
    try:
        return check()
    except LookupFailed as error:
        return wrong(name, f"{error}: try again; if it persists, check that domain's DNS servers")


# --- DKIM ------------------------------------------------------------------------------------------


def _dkim_name(signing: Signing) -> str:
    return f"DKIM {signing.selector}._domainkey.{signing.domain}"


def _check_dkim(signing: Signing, resolver: Resolver) -> AuthCheck:
    """Check the key of a selector (RFC 6376 3.6)."""
    name = _dkim_name(signing)
    publish = f'; publish: "{signing.key.record}"' if signing.key else ""
    records = resolver.txt(f"{signing.selector}._domainkey.{signing.domain}")
    if len(records) != 1:
        count = f"{len(records)} records instead of one" if records else "no record"
        return wrong(name, f"{count}{publish}")
    try:
        key = PublicKey.from_record(records[0])
    except KeyProblem as error:
        return wrong(name, f"the record {error}{publish}")
    if signing.key is not None and key != signing.key:
        return wrong(name, f"the record contains another key than the one that signs{publish}")
    matches = "the key that signs" if signing.key else "a key (it is not known whether it is the one that signs)"
    return _judge_key(name, key, f"contains {matches}, {key.kind} of {key.bits} bits", testing=_testing(records[0]))


def _judge_key(name: str, key: PublicKey, what: str, *, testing: bool) -> AuthCheck:
    if key.kind == "rsa" and key.bits < MIN_RSA:
        return wrong(name, f"{what}: receivers ignore fewer than {MIN_RSA} (RFC 8301)")
    if testing:
        return warn(name, f"{what}; t=y marks it as a test: remove it once everything works")
    if key.kind == "rsa" and key.bits < GOOD_RSA:
        return warn(name, f"{what}: use at least {GOOD_RSA} bits (RFC 8301)")
    if key.kind != "rsa":
        return warn(name, f"{what}: many receivers verify only RSA and treat the email as unsigned")
    return ok(name, what)


def _testing(record: str) -> bool:
    """Return whether the record has the flag t=y."""
    return any("y" in flags.split(":") for flags in re.findall(r";\s*t\s*=\s*([a-z:]+)", record))


# --- DMARC -----------------------------------------------------------------------------------------


def _check_dmarc(subject: Subject, resolver: Resolver) -> AuthCheck:
    """Check the policy, and whether SPF or DKIM is aligned with the From domain (RFC 7489)."""
    name = f"DMARC of {subject.domain}"
    for home in _homes(subject.domain):
        records = [text for text in resolver.txt(f"_dmarc.{home}") if _DMARC.match(text)]
        if records:
            break
    else:
        example = f'"v=DMARC1; p=none; rua=mailto:dmarc@{subject.domain}"'
        return wrong(name, f"no record: publish a TXT record at _dmarc.{subject.domain}, to begin with {example}")
    if len(records) > 1:
        return wrong(name, f"{len(records)} records at _dmarc.{home}: receivers ignore them all; keep one")
    tags = {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in records[0].split(";"))}
    policy = tags.get("sp", tags.get("p")) if home != subject.domain else tags.get("p")
    if policy not in {"none", "quarantine", "reject"}:
        return wrong(name, f"p={policy} at _dmarc.{home} is not a policy: use none, quarantine or reject")
    return _judge_dmarc(name, subject, home, tags, policy)


def _judge_dmarc(name: str, subject: Subject, home: str, tags: dict[str, str], policy: str) -> AuthCheck:
    spf = _aligned(subject.bounce_domain, subject.domain, home, strict=tags.get("aspf") == "s")
    dkim = any(
        _aligned(each.domain, subject.domain, home, strict=tags.get("adkim") == "s") for each in subject.signings
    )
    ways = [way for way, good in (("SPF", spf), ("DKIM", dkim)) if good]
    what = f"p={policy}, aligned by {' and '.join(ways) or 'nothing'}"
    if not ways:
        consequence = "emails fail DMARC" + ("" if policy == "none" else f", and receivers apply p={policy}")
        cure = f"sign with a domain at or below {home}, or move MAIL_BOUNCE_ADDRESS there"
        return wrong(name, f"{what}: {consequence}; {cure}")
    if not dkim:
        return warn(name, f"{what}: forwarded emails fail, because SPF does not survive forwarding; sign with DKIM")
    if policy == "none":
        return warn(name, f"{what}: forgeries are only reported; move to quarantine once the reports look good")
    return ok(name, what)


def _homes(domain: str) -> Iterator[str]:
    """Yield the domains that may have the record: the domain and its parents, down to two labels."""
    labels = domain.split(".")
    for cut in range(max(1, len(labels) - 1)):
        yield ".".join(labels[cut:])


def _aligned(other: str, domain: str, home: str, *, strict: bool) -> bool:
    """Return whether `other` is aligned with the From `domain`; relaxed: both below the domain with the record."""
    if strict or other == domain:
        return other == domain
    return any(_below(one, two) for one, two in ((other, home), (other, domain), (domain, other)))


def _below(domain: str, above: str) -> bool:
    return domain == above or domain.endswith(f".{above}")


# --- bounces and the sending address ---------------------------------------------------------------


def _check_mx(domain: str, resolver: Resolver) -> AuthCheck:
    """Check that bounces can be delivered (RFC 5321, section 5; RFC 7505)."""
    name = f"MX of {domain}"
    servers = resolver.mx(domain)
    if servers == [""]:
        return wrong(name, "a null MX says that this domain accepts no email: bounces are lost")
    if not servers:
        if resolver.addresses(domain):
            return warn(name, "no MX; senders fall back to the domain's own address: publish an MX")
        return wrong(name, "no MX and no address: bounces cannot come back, and some receivers refuse such senders")
    lost = [server for server in servers if not resolver.addresses(server)]
    if lost:
        return wrong(name, f"{', '.join(lost)} has no address: correct or remove that MX")
    return ok(name, ", ".join(servers))


def _check_ptr(subject: Subject, resolver: Resolver) -> AuthCheck:
    """Check that the sending IP address has a name, and that this name resolves to the address."""
    if subject.ip is not None:
        return _check_address(f"PTR of {subject.ip}", subject.ip, resolver)
    name = f"PTR of {subject.server}"
    hint = "use --ip to give the address from which receivers get the emails"
    addresses = [subject.server] if _is_ip(subject.server) else []
    if not is_loopback(subject.server) and not addresses:
        addresses = resolver.addresses(subject.server)
        if not addresses:
            return wrong(name, "the mail server's name has no address: correct MAIL_SERVER")
    if not addresses or not ip_address(addresses[0]).is_global:
        return warn(name, f"not checked, the mail server is on this machine or in a private network; {hint}")
    line = _check_address(name, addresses[0], resolver)
    return warn(name, f"{addresses[0]}: {line.detail}. It may send from another address: {hint}")


def _check_address(name: str, address: str, resolver: Resolver) -> AuthCheck:
    names = resolver.ptr(address)
    if not names:
        return wrong(name, "no name: ask the provider of the address to publish a PTR record")
    wanted = ip_address(address)
    for each in names:
        if wanted in {ip_address(found) for found in resolver.addresses(each)}:
            return ok(name, f"{each}, which resolves to it")
    return wrong(name, f"{names[0]} does not resolve to the address: publish an A or AAAA record for it")


def _is_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
