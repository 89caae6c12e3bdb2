"""Check DMARC (RFC 9989): the policy, alignment, who gets reports, and tags that no longer count."""

from collections.abc import Iterator, Sequence

from notifier.sender_auth.dmarc import (
    POLICIES,
    DmarcRecord,
    TreeWalk,
    domain_of_report,
    is_aligned,
    walk,
)
from notifier.sender_auth.lookup import Resolver
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, warn, wrong
from notifier.sender_auth.subject import Subject

RECORD = Rule(Group.dns, "dmarc.record", "RFC 9989 4.10")
POLICY = Rule(Group.dns, "dmarc.policy", "RFC 9989 4.7")
ALIGNMENT = Rule(Group.dns, "dmarc.alignment", "RFC 9989 4.4")
TESTING = Rule(Group.dns, "dmarc.testing", "RFC 9989 4.7, t")
SUFFIX = Rule(Group.dns, "dmarc.psd", "RFC 9989 4.7, psd")
REMOVED = Rule(Group.dns, "dmarc.removed", "RFC 9989 A.6")
REPORTS = Rule(Group.dns, "dmarc.reports", "RFC 9990 3 and 4")

#: Tags of RFC 7489 that RFC 9989 removed. Older receivers still apply them.
_REMOVED = ("pct", "rf", "ri")


def check_dmarc(subject: Subject, resolver: Resolver) -> list[Diagnosis]:
    """Check the record that applies to the From domain. Raise LookupFailed."""
    name = f"DMARC of {subject.domain}"
    found = walk(subject.domain, resolver)
    if found.crowded:
        where = ", ".join(found.crowded)
        return [wrong(RECORD, name, f"several records at {where}: receivers ignore them all", "keep one")]
    record = found.deciding
    if record is None:
        example = f'"v=DMARC1; p=none; rua=mailto:dmarc@{subject.domain}"'
        cure = f"publish a TXT record at _dmarc.{subject.domain}, to begin with {example}"
        return [wrong(RECORD, name, "no record", cure)]
    return [_policy(name, subject, found, record, resolver), *_details(subject.domain, record, resolver)]


def _policy(name: str, subject: Subject, found: TreeWalk, record: DmarcRecord, resolver: Resolver) -> Diagnosis:
    exists = bool(resolver.txt(subject.domain) or resolver.mx(subject.domain) or resolver.addresses(subject.domain))
    unknown = [f"{tag}={record.tags[tag]}" for tag in ("p", "sp", "np") if _is_unknown(record, tag)]
    policy = record.policy_for(subject.domain, exists=exists)
    where = f"_dmarc.{record.home}"
    if policy is None:
        said = f"{unknown[0] if unknown else 'p='} at {where} is not a policy, so receivers ignore the record"
        return wrong(POLICY, name, said, "use p=none, quarantine or reject")
    if unknown:
        said = f"{unknown[0]} at {where} is not a policy: receivers take it as none"
        return wrong(POLICY, name, said, "use none, quarantine or reject")
    return _alignment(name, subject, found, record, policy, resolver)


def _is_unknown(record: DmarcRecord, tag: str) -> bool:
    return tag in record.tags and record.tags[tag].lower() not in POLICIES


def _alignment(
    name: str, subject: Subject, found: TreeWalk, record: DmarcRecord, policy: str, resolver: Resolver
) -> Diagnosis:
    spf_strict, dkim_strict = (record.tags.get(tag, "r").lower() == "s" for tag in ("aspf", "adkim"))
    spf = is_aligned(subject.bounce_domain, subject.domain, resolver, strict=spf_strict)
    domains = {each.domain for each in subject.signings}
    dkim = any(is_aligned(each, subject.domain, resolver, strict=dkim_strict) for each in domains)
    ways = [way for way, good in (("SPF", spf), ("DKIM", dkim)) if good]
    said = f"p={policy}, aligned by {' and '.join(ways) or 'nothing'}"
    if not ways:
        consequence = "emails fail DMARC" + ("" if policy == "none" else f", and receivers apply p={policy}")
        strict = " exactly" if spf_strict and dkim_strict else ""
        cure = f"sign with a domain of {found.organizational}{strict}, or set MAIL_BOUNCE_ADDRESS to an address at one"
        return wrong(ALIGNMENT, name, f"{said}: {consequence}", cure)
    if not dkim:
        lost = "forwarded emails fail, because SPF does not survive forwarding"
        return warn(ALIGNMENT, name, f"{said}: {lost}", f"sign with DKIM, with a domain of {found.organizational}")
    if policy == "none":
        cure = "move to quarantine once the reports look good"
        return warn(POLICY, name, f"{said}: forgeries are only reported", cure)
    return ok(POLICY, name, said)


def _details(domain: str, record: DmarcRecord, resolver: Resolver) -> Iterator[Diagnosis]:
    where = f"_dmarc.{record.home}"
    if record.tested:
        said = f"t=y at {where} marks the policy as a test: receivers apply the next weaker one"
        yield warn(TESTING, f"DMARC test of {record.home}", said, "remove t=y once the reports look good")
    if record.psd == "y" and record.home == domain:
        said = f"psd=y at {where} says that others register domains below it, so its subdomains are not aligned"
        yield wrong(SUFFIX, f"DMARC psd of {record.home}", said, "remove psd=y")
    removed = [f"{tag}={record.tags[tag]}" for tag in _REMOVED if tag in record.tags]
    if removed:
        said = f"{', '.join(removed)} at {where} no longer counts, and older receivers still apply it"
        yield warn(REMOVED, f"DMARC tags of {record.home}", said, "remove it; for a test, use t=y")
    yield _reports(record, resolver)


def _reports(record: DmarcRecord, resolver: Resolver) -> Diagnosis:
    name = f"DMARC reports of {record.home}"
    if not record.reports:
        wanted = record.tags.get("rua")
        said = f"rua={wanted} is not an address" if wanted else "no rua: you never learn who sends as you"
        return warn(REPORTS, name, said, f"add rua=mailto:dmarc@{record.home}")
    refused = _unauthorised(record, resolver)
    if refused:
        cure = f'{refused[0]} publishes the TXT record "v=DMARC1" at {record.home}._report._dmarc.{refused[0]}'
        return warn(REPORTS, name, f"{', '.join(refused)} does not accept reports about {record.home}", cure)
    return ok(REPORTS, name, f"to {', '.join(record.reports)}")


def _unauthorised(record: DmarcRecord, resolver: Resolver) -> Sequence[str]:
    """Return the domains that get reports about another organization's and do not say that they want them."""
    domains = {domain for each in record.reports if (domain := domain_of_report(each))}
    outside = [each for each in sorted(domains) if not is_aligned(each, record.home, resolver, strict=False)]
    return [
        each
        for each in outside
        if not any(text.startswith("v=DMARC1") for text in resolver.txt(f"{record.home}._report._dmarc.{each}"))
    ]
