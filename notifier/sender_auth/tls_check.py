"""Check MTA-STS (RFC 8461) and TLS-RPT (RFC 8460) of the domain that bounces come back to."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from notifier.sender_auth.lookup import Resolver
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, warn, wrong
from notifier.sender_auth.web import WebAnswer, WebClient, WebUnreachable

RECORD = Rule(Group.dns, "mta-sts.record", "RFC 8461 3.1")
POLICY = Rule(Group.dns, "mta-sts.policy", "RFC 8461 3.2 and 3.3")
SERVERS = Rule(Group.dns, "mta-sts.mx", "RFC 8461 4.1")
MODE = Rule(Group.dns, "mta-sts.mode", "RFC 8461 5")
REPORTS = Rule(Group.dns, "tls-rpt.record", "RFC 8460 3")

#: Seconds: the RFC's longest age, and the shortest that protects from one week to the next (RFC 8461 3.2).
LONGEST_AGE, GOOD_AGE = 31_557_600, 7 * 86400

_ID = re.compile(r"v=STSv1\s*;\s*id=[A-Za-z0-9]{1,32}\s*(?:;.*)?\Z")
_RUA = re.compile(r"v=TLSRPTv1\s*;\s*rua=(?:mailto:[^@\s,]+@[^@\s,;]+|https://[^\s,;]+)(?:\s*,\s*[^\s;]+)*\s*;?\Z")


@dataclass(frozen=True, slots=True)
class _Policy:
    mode: str
    max_age: str
    mx: tuple[str, ...]


def check_tls(domain: str, resolver: Resolver, web: WebClient) -> list[Diagnosis]:
    """Check both. Neither is required, so a domain that has neither passes. Raise LookupFailed."""
    name = f"MTA-STS of {domain}"
    records = [text for text in resolver.txt(f"_mta-sts.{domain}") if text.startswith("v=STSv1")]
    if not records:
        return [ok(RECORD, name, "not published, which is allowed"), *_check_reports(domain, resolver, needed=False)]
    return [_check_policy(name, domain, records, resolver, web), *_check_reports(domain, resolver, needed=True)]


def _check_policy(name: str, domain: str, records: list[str], resolver: Resolver, web: WebClient) -> Diagnosis:
    if len(records) > 1:
        return wrong(RECORD, name, f"{len(records)} records: senders ignore them all", "keep one")
    if not _ID.match(records[0]):
        return wrong(RECORD, name, "the record has no valid id", 'publish "v=STSv1; id=<letters and digits>;"')
    url = f"https://mta-sts.{domain}/.well-known/mta-sts.txt"
    try:
        answer = web.get(url)
    except WebUnreachable as error:
        return wrong(POLICY, name, f"{url} cannot be read: {error}", "serve the policy there, with a valid certificate")
    problem = _unusable(answer)
    if problem:
        return wrong(POLICY, name, f"{url} {problem}", "serve the policy there as text/plain, without a redirect")
    return _judge(name, _parsed(answer.text), resolver.mx(domain))


def _unusable(answer: WebAnswer) -> str:
    if 300 <= answer.status < 400:
        return "redirects, which senders do not follow"
    if answer.status != 200:
        return f"answers {answer.status}"
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "text/plain":
        return f"is {kind or 'of no type'}"
    first = answer.text.partition("\n")[0].strip()
    return "" if re.fullmatch(r"version:\s*STSv1", first) else "does not begin with version: STSv1"


def _parsed(text: str) -> _Policy:
    pairs = [(name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in text.splitlines())]
    single = dict(pairs)
    return _Policy(
        single.get("mode", ""), single.get("max_age", ""), tuple(value for key, value in pairs if key == "mx")
    )


def _judge(name: str, policy: _Policy, servers: list[str]) -> Diagnosis:
    if policy.mode not in {"enforce", "testing", "none"}:
        return wrong(POLICY, name, f"mode: {policy.mode or 'missing'} is unknown", "use mode: enforce or testing")
    if not policy.max_age.isascii() or not policy.max_age.isdigit() or int(policy.max_age) > LONGEST_AGE:
        said = f"max_age: {policy.max_age or 'missing'} is not a number up to {LONGEST_AGE}"
        return wrong(POLICY, name, said, "use max_age: 604800")
    left = [server for server in servers if not any(_matches(server, pattern) for pattern in policy.mx)]
    if left and policy.mode != "none":
        said = f"the policy does not name the mail server {', '.join(left)}"
        lost = ": senders refuse to deliver to it, and bounces are lost" if policy.mode == "enforce" else ""
        return wrong(SERVERS, name, said + lost, f"add mx: {left[0]} and change the id of the record")
    if policy.mode != "enforce":
        return warn(MODE, name, f"mode: {policy.mode} protects nothing", "use mode: enforce once the reports look good")
    if int(policy.max_age) < GOOD_AGE:
        return warn(POLICY, name, f"max_age: {policy.max_age} is less than a week", "use max_age: 604800 or more")
    return ok(POLICY, name, f"mode: enforce, names {', '.join(policy.mx)}")


def _matches(server: str, pattern: str) -> bool:
    """Return whether a policy's pattern matches; `*.` stands for exactly one label (RFC 8461 4.1)."""
    server, pattern = server.lower(), pattern.lower().rstrip(".")
    return server.partition(".")[2] == pattern[2:] if pattern.startswith("*.") else server == pattern


def _check_reports(domain: str, resolver: Resolver, *, needed: bool) -> Iterator[Diagnosis]:
    name, example = f"TLS-RPT of {domain}", f'"v=TLSRPTv1; rua=mailto:tls@{domain}"'
    records = [text for text in resolver.txt(f"_smtp._tls.{domain}") if text.startswith("v=TLSRPTv1")]
    cure = f"publish one TXT record at _smtp._tls.{domain}: {example}"
    if len(records) > 1:
        yield wrong(REPORTS, name, f"{len(records)} records: senders ignore them all", cure)
    elif records and not _RUA.match(records[0]):
        yield wrong(REPORTS, name, "rua is missing or is not mailto: or https:", cure)
    elif records:
        yield ok(REPORTS, name, records[0])
    elif needed:
        yield warn(REPORTS, name, "no record: you never learn when MTA-STS keeps email away", cure)
