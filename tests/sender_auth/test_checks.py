"""check-dns against a stub resolver: what receivers would hold against us, and what is said of it (B12)."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
import dns.query
import dns.resolver
import pytest

from notifier.sender_auth import Diagnosis, DnsResolver, Level, LookupFailed, Signing, Subject, Unreachable, examine
from notifier.sender_auth.dkim_keys import PublicKey, load_private_key
from tests.support.dns import StubResolver, StubWeb
from tests.support.keys import key_file

D = "example.com"
SELECTOR = "s1._domainkey.example.com"
#: Long enough that nobody complains, made by multiplying two odd numbers: nobody has to sign with it.
KEY = PublicKey("rsa", ((1 << 2047) + 1, 65537))
OTHER = PublicKey("rsa", ((1 << 2047) + 3, 65537))
SUBJECT = Subject(D, D, (Signing(D, "s1", KEY),), server="mx.example.com", ip="198.51.100.7")
GOOD: dict[tuple[str, str], Any] = {
    ("txt", D): ["google-site-verification=x", "v=spf1 include:relay.example ip4:198.51.100.0/24 -all"],
    ("txt", "relay.example"): ["v=spf1 a:out.relay.example/28 ip6:2001:db8::/32 ~all"],
    ("a", "out.relay.example"): ["198.51.100.8"],
    ("txt", SELECTOR): [KEY.record],
    ("txt", "_dmarc.example.com"): ["v=DMARC1; p=reject; rua=mailto:d@example.com"],
    ("mx", D): ["in.example.com"],
    ("a", "in.example.com"): ["198.51.100.9"],
    ("ptr", "198.51.100.7"): ["out.example.com"],
    ("a", "out.example.com"): ["198.51.100.7", "2001:db8::7"],
}


def check(name: str, subject: Subject = SUBJECT, **changes: Any) -> Diagnosis:
    """The line that begins with `name`; `changes` by kind: {name: records}."""
    records = GOOD | {(kind, key): value for kind, some in changes.items() for key, value in some.items()}
    lines = [line for line in examine(subject, StubResolver(records), StubWeb()) if line.name.startswith(name)]
    assert len(lines) == 1, lines
    return lines[0]


def test_all_is_well() -> None:
    lines = examine(SUBJECT, StubResolver(GOOD), StubWeb())
    assert [(line.level, line.name) for line in lines] == [
        (Level.OK, "From"),
        (Level.OK, "From at example.com"),
        (Level.OK, "SPF of example.com"),
        (Level.OK, "DKIM s1._domainkey.example.com"),
        (Level.OK, "DMARC of example.com"),
        (Level.OK, "DMARC reports of example.com"),
        (Level.OK, "MX of example.com"),
        (Level.OK, "PTR of 198.51.100.7"),
        (Level.OK, "MTA-STS of example.com"),
    ]
    assert "-all, 2 of 10 lookups; permits 198.51.100.7" in lines[2].detail
    assert "2048 bits" in lines[3].detail
    assert "p=reject, aligned by SPF and DKIM" in lines[4].detail
    assert all(line.rule.source and (line.cure or line.level is Level.OK) for line in lines)


WRONG, WARN, OK, SKIPPED = Level.WRONG, Level.WARN, Level.OK, Level.SKIPPED


def told(line: Diagnosis) -> str:
    """What a person reads of it."""
    return f"{line.detail}: {line.cure}"


@pytest.mark.parametrize(
    ("records", "level", "said"),
    [
        ([], WRONG, "no record: publish"),
        (["v=spf10 -all", "spf1"], WRONG, "no record"),
        (["v=spf1 -all", "v=spf1 a -all"], WRONG, "has 2 SPF records; receivers take the record as an error: merge"),
        (["v=spf1 mx"], WRONG, "ends in nothing"),
        (["v=spf1 +all"], WRONG, "ends in +all"),
        (["v=spf1 all"], WRONG, "ends in +all"),
        (["v=spf1 ?all"], WRONG, "ends in ?all"),
        (["v=spf1 mx ~all"], OK, "1 of 10"),
        (["V=SPF1 MX ~ALL"], OK, "1 of 10"),
        (["v=spf1 redirect=relay.example"], OK, "ends in ~all, 2 of 10"),
        (["v=spf1 -all redirect=relay.example"], OK, "ends in -all, 0 of 10"),
        (["v=spf1 ipv4:198.51.100.7 -all"], WRONG, "term that does not exist: ipv4"),
        (["v=spf1 include:gone.example -all"], WRONG, "gone.example is included and has no SPF record"),
        (["v=spf1 include -all"], WRONG, "include without a name"),
        (["v=spf1 include:example.com -all"], WRONG, "does it include itself"),
        (["v=spf1 " + "mx " * 10 + "-all"], OK, "10 of 10"),
        (["v=spf1 " + "mx " * 11 + "-all"], WRONG, "11 of 10 lookups: receivers give up"),
        (["v=spf1 " + "include:relay.example " * 5 + "mx -all"], WRONG, "11 of 10"),
        (["v=spf1 a:no1.example a:no2.example a:no3.example -all"], WRONG, "3 of its names do not exist"),
        (["v=spf1 ptr -all"], WARN, "uses ptr"),
        (["v=spf1 include:%{d}.relay.example ~all"], WARN, "not followed: %{d}.relay.example"),
        (["v=spf1 exists:%{i}.relay.example exp=why.example ~all"], OK, "1 of 10"),
        (["v=spf1 include:broken.example ~all"], WARN, "not followed: broken.example"),
        (["v=spf1 redirect=broken.example"], WARN, "not followed: broken.example"),
    ],
)
def test_spf(records: list[str], level: Level, said: str) -> None:
    line = check("SPF of", replace(SUBJECT, ip=None), txt={D: records, "broken.example": "servers failed"})
    assert (line.level, said in told(line)) == (level, True), line


@pytest.mark.parametrize(
    ("records", "level", "said"),
    [
        ([], WRONG, f'no record: publish: "{KEY.record}"'),
        ([KEY.record, KEY.record], WRONG, "2 records instead of one"),
        (["v=DKIM1; p="], WRONG, "revoked"),
        ([KEY.record[:-40]], WRONG, "was it cut"),
        ([OTHER.record], WRONG, "another key than the one that signs: publish"),
        ([KEY.record + "; t=y:s"], WARN, "t=y"),
        ([KEY.record + "; t=s"], OK, "the key that signs"),
    ],
)
def test_dkim(records: list[str], level: Level, said: str) -> None:
    line = check("DKIM", txt={SELECTOR: records})
    assert (line.level, said in told(line)) == (level, True), line


@pytest.mark.parametrize(
    ("key", "level"),
    [
        (PublicKey("rsa", ((1 << 511) + 1, 65537)), WRONG),
        (PublicKey("rsa", ((1 << 1023) + 1, 65537)), WARN),
        (PublicKey("ed25519", (7,)), WARN),
    ],
)
def test_weak_and_rare_keys(key: PublicKey, level: Level) -> None:
    subject = replace(SUBJECT, signings=(Signing(D, "s1", key),))
    assert check("DKIM", subject, txt={SELECTOR: [key.record]}).level is level


def test_a_key_of_our_own_is_recognised(tmp_path: Path) -> None:
    key = load_private_key(key_file(tmp_path, bits=2048)).public
    subject = replace(SUBJECT, signings=(Signing(D, "s1", key),))
    assert check("DKIM", subject, txt={SELECTOR: [key.record]}).level is OK


def test_a_selector_without_a_private_key_and_none_at_all() -> None:
    line = check("DKIM", replace(SUBJECT, signings=(Signing(D, "s1"),)))
    assert (line.level, "not known whether" in told(line)) == (OK, True)
    line = check("DKIM", replace(SUBJECT, signings=()))
    assert (line.level, "signs nothing" in told(line)) == (WARN, True)


BOUNCES = replace(SUBJECT, bounce_domain="bounce.other.example")


@pytest.mark.parametrize(
    ("subject", "record", "level", "said"),
    [
        (SUBJECT, "v=DMARC1; p=quarantine", OK, "p=quarantine, aligned by SPF and DKIM"),
        (SUBJECT, "v=DMARC1; p=none", WARN, "only reported"),
        (SUBJECT, "v=DMARC1; p=maybe", WRONG, "p=maybe at _dmarc.example.com is not a policy"),
        (SUBJECT, "v=DMARC1", WRONG, "is not a policy"),
        (SUBJECT, "v=DMARC1; rua=mailto:d@example.com", WARN, "p=none, aligned by SPF and DKIM: forgeries are only"),
        (
            SUBJECT,
            "v=DMARC1; p=maybe; rua=mailto:d@example.com",
            WRONG,
            "p=maybe at _dmarc.example.com is not a policy",
        ),
        (SUBJECT, "v=DMARC1; p=reject; sp=all", WRONG, "sp=all at _dmarc.example.com is not a policy"),
        (SUBJECT, "v=DMARC10; p=reject", WRONG, "no record: publish"),
        (BOUNCES, "v=DMARC1; p=reject", OK, "aligned by DKIM"),
        (replace(BOUNCES, signings=()), "v=DMARC1; p=reject", WRONG, "emails fail DMARC, and receivers apply p=reject"),
        (replace(SUBJECT, signings=()), "v=DMARC1; p=reject", WARN, "does not survive forwarding"),
        (replace(SUBJECT, bounce_domain="b.example.com", signings=()), "v=DMARC1; p=reject", WARN, "aligned by SPF"),
        (replace(SUBJECT, bounce_domain="b.example.com"), "v=DMARC1; p=reject; aspf=s", OK, "aligned by DKIM"),
        (replace(SUBJECT, bounce_domain="notexample.com", signings=()), "v=DMARC1; p=none", WRONG, "by nothing"),
        (
            replace(SUBJECT, signings=(Signing("m.example.com", "s1"),)),
            "v=DMARC1; p=reject; adkim=s",
            WARN,
            "aligned by SPF",
        ),
    ],
)
def test_dmarc(subject: Subject, record: str, level: Level, said: str) -> None:
    line = check("DMARC of", subject, txt={"_dmarc.example.com": [record]})
    assert (line.level, said in told(line)) == (level, True), line


def test_dmarc_is_found_above_and_its_sp_counts() -> None:
    subject = replace(SUBJECT, domain="news.example.com", bounce_domain="bounce.example.com")
    line = check("DMARC of", subject, txt={"_dmarc.example.com": ["v=DMARC1; p=reject; sp=none"]})
    assert (line.level, "p=none, aligned by SPF and DKIM" in told(line)) == (WARN, True), line
    twice = check("DMARC of", txt={"_dmarc.example.com": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]})
    assert (twice.level, "several records" in twice.detail) == (WRONG, True)


@pytest.mark.parametrize(
    ("servers", "addresses", "level", "said"),
    [
        ([], [], WRONG, "bounces are lost"),
        ([], ["198.51.100.1"], WARN, "no MX; senders fall back"),
        ([""], [], WRONG, "null MX"),
        (["in.example.com", "gone.example.com"], [], WRONG, "gone.example.com has no address"),
    ],
)
def test_mx(servers: list[str], addresses: list[str], level: Level, said: str) -> None:
    line = check("MX of", mx={D: servers}, a={D: addresses})
    assert (line.level, said in told(line)) == (level, True), line


@pytest.mark.parametrize(
    ("changes", "level", "said"),
    [
        ({"ptr": {"198.51.100.7": []}}, WRONG, "no name"),
        ({"a": {"out.example.com": ["198.51.100.70"]}}, WRONG, "does not resolve to the address"),
        (
            {"ptr": {"198.51.100.7": ["one.example.com", "out.example.com"]}},
            OK,
            "out.example.com, which resolves to it",
        ),
    ],
)
def test_ptr_of_a_given_address(changes: dict[str, Any], level: Level, said: str) -> None:
    line = check("PTR", **changes)
    assert (line.level, said in told(line)) == (level, True), line


def test_ipv6_is_compared_as_a_number() -> None:
    subject = replace(SUBJECT, ip="2001:db8::7")
    names = {"2001:db8::7": ["out.example.com"]}
    assert check("PTR", subject, ptr=names, a={"out.example.com": ["2001:0db8:0:0::7"]}).level is OK


@pytest.mark.parametrize(
    ("server", "addresses", "level", "said"),
    [
        ("mx.example.com", ["8.8.8.8"], SKIPPED, "8.8.8.8: dns.google, which resolves to it. It may send from another"),
        ("8.8.8.8", [], SKIPPED, "dns.google"),
        ("mx.example.com", [], WRONG, "correct MAIL_SERVER"),
        ("mx.example.com", ["10.0.0.7"], SKIPPED, "private network: use --ip to give the address"),
        ("127.0.0.1", [], SKIPPED, "on this machine"),
        ("localhost", [], SKIPPED, "on this machine"),
    ],
)
def test_ptr_of_the_mail_server_is_never_sure(server: str, addresses: list[str], level: Level, said: str) -> None:
    names = {"mx.example.com": addresses, "dns.google": ["8.8.8.8"]}
    line = check("PTR", replace(SUBJECT, ip=None, server=server), a=names, ptr={"8.8.8.8": ["dns.google"]})
    assert (line.level, said in told(line)) == (level, True), line


def test_without_a_network_there_is_one_clear_line() -> None:
    resolver = StubResolver(GOOD, up=False)
    (line,) = examine(SUBJECT, resolver, StubWeb())
    assert (line.level, line.name) == (WRONG, "DNS")
    assert "is this machine connected" in line.cure
    assert len(resolver.asked) == 1


def test_one_server_that_fails_does_not_end_the_others() -> None:
    lines = examine(SUBJECT, StubResolver(GOOD | {("mx", D): "servers failed"}), StubWeb())
    assert {line.name for line in lines if line.level is WRONG} == {"Sender", "MX of example.com"}
    assert all(line.detail == "servers failed" for line in lines if line.level is WRONG)


def test_what_strangers_publish_does_not_steer_a_terminal() -> None:
    line = check("DMARC of", txt={"_dmarc.example.com": ["v=DMARC1; p=\x1b[31mred"]})
    assert "\x1b" not in line.detail


# --- the real resolver, without a network ----------------------------------------------------------


class Answers:
    """Stands for the network below dnspython."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *records: str, error: Exception | None = None) -> None:
        self.asked = 0
        self.records, self.error = records, error
        monkeypatch.setattr(dns.resolver.Resolver, "resolve", self.resolve)
        monkeypatch.setattr(dns.resolver.Resolver, "read_resolv_conf", lambda *_: None)

    def resolve(self, *_: Any, **options: Any) -> Any:
        self.asked += 1
        if self.error is not None:
            raise self.error
        text = "id 1\nflags QR\n;QUESTION\nx.example. IN ANY\n;ANSWER\n" + "\n".join(self.records)
        return [item for group in dns.message.from_text(text).answer for item in group]


def test_answers_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, 'x.example. 1 IN TXT "v=spf1 " "-all"')
    assert DnsResolver().txt("x.example") == ["v=spf1 -all"]
    Answers(monkeypatch, "x.example. 1 IN MX 20 b.example.", "x.example. 1 IN MX 10 a.example.")
    assert DnsResolver().mx("x.example") == ["a.example", "b.example"]
    Answers(monkeypatch, "x.example. 1 IN MX 0 .")
    assert DnsResolver().mx("x.example") == [""]
    Answers(monkeypatch, "x.example. 1 IN PTR out.example.")
    assert DnsResolver().ptr("198.51.100.7") == ["out.example"]


def test_a_question_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = Answers(monkeypatch, 'x.example. 1 IN TXT "hello"')
    resolver = DnsResolver()
    assert resolver.txt("x.example") == resolver.txt("x.example") == ["hello"]
    assert answers.asked == 1


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (dns.resolver.LifetimeTimeout(timeout=5, errors=[]), Unreachable),
        (OSError(101, "Network is unreachable"), Unreachable),
        (dns.resolver.NoNameservers(), LookupFailed),
        (dns.resolver.YXDOMAIN(), LookupFailed),
        (dns.exception.DNSException(), LookupFailed),
    ],
)
def test_failures_are_not_answers(error: Exception, expected: type[Exception], monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, error=error)
    with pytest.raises(expected):
        DnsResolver().txt("x.example")


def test_no_such_name_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    Answers(monkeypatch, error=dns.resolver.NXDOMAIN())
    assert DnsResolver().txt("x.example") == []


def test_a_deaf_server_costs_the_timeout_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port on which nobody answers: dnspython's own way, up to our Unreachable."""
    resolver = DnsResolver(timeout=0.2)
    monkeypatch.setattr(resolver._resolver, "nameservers", ["127.0.0.1"])
    monkeypatch.setattr(resolver._resolver, "port", 9)
    started = time.monotonic()
    with pytest.raises(Unreachable):
        resolver.txt("x.example")
    assert time.monotonic() - started < 2
