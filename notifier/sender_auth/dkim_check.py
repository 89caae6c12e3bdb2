"""Check the published DKIM keys (RFC 6376 3.6)."""

import re

from notifier.sender_auth.dkim_keys import GOOD_RSA, MIN_RSA, KeyProblem, PublicKey
from notifier.sender_auth.lookup import Resolver
from notifier.sender_auth.report import Diagnosis, Group, Rule, ok, warn, wrong
from notifier.sender_auth.subject import Signing

SIGNS = Rule(Group.dns, "dkim.signs", "RFC 6376; Gmail and Yahoo demand it of bulk senders")
RECORD = Rule(Group.dns, "dkim.record", "RFC 6376 3.6.1")
SAME_KEY = Rule(Group.dns, "dkim.key", "RFC 6376 3.6.2")
STRENGTH = Rule(Group.dns, "dkim.strength", "RFC 8301 3.2")
TESTING = Rule(Group.dns, "dkim.testing", "RFC 6376 3.6.1, t=y")
ALGORITHM = Rule(Group.dns, "dkim.algorithm", "RFC 8463 3")


def dkim_name(signing: Signing) -> str:
    """Return the name of this line in the report."""
    return f"DKIM {signing.selector}._domainkey.{signing.domain}"


def check_dkim(signing: Signing, resolver: Resolver) -> Diagnosis:
    """Check the key of a selector. Raise LookupFailed."""
    name = dkim_name(signing)
    publish = f'publish: "{signing.key.record}"' if signing.key else "publish the record that your mail server names"
    records = resolver.txt(f"{signing.selector}._domainkey.{signing.domain}")
    if len(records) != 1:
        count = f"{len(records)} records instead of one" if records else "no record"
        return wrong(RECORD, name, count, publish)
    try:
        key = PublicKey.from_record(records[0])
    except KeyProblem as error:
        return wrong(RECORD, name, f"the record {error}", publish)
    if signing.key is not None and key != signing.key:
        return wrong(SAME_KEY, name, "the record contains another key than the one that signs", publish)
    matches = "the key that signs" if signing.key else "a key (it is not known whether it is the one that signs)"
    return _judge_key(name, key, f"contains {matches}, {key.kind} of {key.bits} bits", testing=_testing(records[0]))


def _judge_key(name: str, key: PublicKey, what: str, *, testing: bool) -> Diagnosis:
    longer = f"make a key of {GOOD_RSA} bits and publish it under a new selector"
    if key.kind == "rsa" and key.bits < MIN_RSA:
        return wrong(STRENGTH, name, f"{what}: receivers ignore fewer than {MIN_RSA}", longer)
    if testing:
        return warn(TESTING, name, f"{what}; t=y marks it as a test", "remove t=y once everything works")
    if key.kind == "rsa" and key.bits < GOOD_RSA:
        return warn(STRENGTH, name, f"{what}: use at least {GOOD_RSA} bits", longer)
    if key.kind != "rsa":
        said = f"{what}: many receivers verify only RSA and treat the email as unsigned"
        return warn(ALGORITHM, name, said, "sign with an RSA key of 2048 bits")
    return ok(SAME_KEY, name, what)


def _testing(record: str) -> bool:
    """Return whether the record has the flag t=y."""
    return any("y" in flags.split(":") for flags in re.findall(r";\s*t\s*=\s*([a-z:]+)", record))
