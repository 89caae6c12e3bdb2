"""Mistakes in DNS, to be planted one by one."""

from notifier.sender_auth import WebAnswer, WebUntrusted
from tests.support.doctor import BOUNCES, IP, POLICY, STS, Case, D, Setup, policy

PTR = ("ptr", IP)
SPF, DMARC, KEY = ("txt", BOUNCES), ("txt", f"_dmarc.{D}"), ("txt", f"s1._domainkey.{D}")
STS_RECORD, TLS_RPT = ("txt", f"_mta-sts.{BOUNCES}"), ("txt", f"_smtp._tls.{BOUNCES}")


def spf(*records: str) -> Setup:
    return Setup().but(records={SPF: list(records)})


def dmarc(*records: str) -> Setup:
    return Setup().but(records={DMARC: list(records)})


def sts(text: str) -> Setup:
    return Setup().but(web={("GET", POLICY): policy(text)})


def dkim(*records: str) -> Setup:
    return Setup().but(records={KEY: list(records)})


RUA = f"rua=mailto:d@{D}"
OTHER_KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

#: What is planted, the set-up, the rules that complain, and words of the cure.
DNS: list[Case] = [
    (
        "From of the example",
        Setup().but(settings={"mail_default_sender": "A <a@mail.test>"}, words=("--only", "identity")),
        {"from.domain", "from.receives"},
        "MAIL_DEFAULT_SENDER to an address at a domain of your own",
    ),
    (
        "From at Yahoo",
        Setup().but(
            settings={"mail_default_sender": "A <a@yahoo.com>"},
            words=("--only", "identity"),
            records={
                ("txt", "_dmarc.yahoo.com"): ["v=DMARC1; p=reject; rua=mailto:d@yahoo.com"],
                ("mx", "yahoo.com"): [f"in.{D}"],
            },
        ),
        {"from.freemail"},
        "a domain of your own",
    ),
    (
        "From receives nothing",
        Setup().but(records={("mx", D): [""]}, settings={"mail_reply_to": ""}),
        {"from.receives"},
        "publish an MX",
    ),
    (
        "Reply-To without MX",
        Setup().but(settings={"mail_reply_to": "help@gone.example"}),
        {"reply-to.receives"},
        "publish an MX",
    ),
    ("no SPF", spf(), {"spf.record"}, "publish a TXT record at bounces.acme.example"),
    ("two SPF records", spf("v=spf1 -all", "v=spf1 a -all"), {"spf.record"}, "merge them into one"),
    ("SPF +all", spf("v=spf1 +all"), {"spf.ending"}, "~all or -all"),
    ("SPF without all", spf("v=spf1 include:relay.example"), {"spf.ending"}, "~all or -all"),
    (
        "SPF of 11 lookups",
        spf("v=spf1 " + "include:relay.example " * 11 + "-all"),
        {"spf.lookups"},
        "name networks (ip4, ip6)",
    ),
    (
        "SPF names that do not exist",
        spf("v=spf1 a:x1.example a:x2.example a:x3.example include:relay.example -all"),
        {"spf.lookups"},
        "remove them",
    ),
    ("SPF term that does not exist", spf("v=spf1 ipv4:198.51.100.7 -all"), {"spf.record"}, "correct or remove it"),
    ("SPF network that is none", spf("v=spf1 ip4:198.51.100.700 -all"), {"spf.record"}, "correct or remove it"),
    (
        "SPF includes what has none",
        spf("v=spf1 include:gone.example -all"),
        {"spf.record"},
        "remove or correct that include",
    ),
    ("SPF includes itself", spf(f"v=spf1 include:{BOUNCES} -all"), {"spf.record"}, "remove the include that loops"),
    ("SPF ptr", spf("v=spf1 ptr include:relay.example -all"), {"spf.ptr"}, "in place of ptr"),
    ("SPF does not permit the address", spf("v=spf1 ip4:203.0.113.0/24 -all"), {"spf.address"}, f"add ip4:{IP}"),
    ("no DKIM record", dkim(), {"dkim.record"}, 'publish: "v=DKIM1; k=rsa; p='),
    ("two DKIM records", dkim(OTHER_KEY, OTHER_KEY), {"dkim.record"}, 'publish: "v=DKIM1'),
    ("revoked DKIM key", dkim("v=DKIM1; k=rsa; p="), {"dkim.record"}, 'publish: "v=DKIM1'),
    ("another DKIM key", dkim(OTHER_KEY), {"dkim.key"}, 'publish: "v=DKIM1; k=rsa; p='),
    ("short DKIM key", Setup().but(key=("rsa-pkcs8", 1024)), {"dkim.strength"}, "make a key of 2048 bits"),
    ("Ed25519 alone", Setup().but(key=("ed25519", 0)), {"dkim.algorithm"}, "RSA key of 2048 bits"),
    ("nothing signs", Setup().but(key=None), {"dkim.signs", "dmarc.alignment"}, "set MAIL_DKIM_*"),
    ("no DMARC", dmarc(), {"dmarc.record"}, f"publish a TXT record at _dmarc.{D}"),
    ("two DMARC records", dmarc("v=DMARC1; p=none", f"v=DMARC1; p=reject; {RUA}"), {"dmarc.record"}, "keep one"),
    ("unknown policy", dmarc(f"v=DMARC1; p=block; {RUA}"), {"dmarc.policy"}, "use none, quarantine or reject"),
    ("no policy at all", dmarc("v=DMARC1"), {"dmarc.policy", "dmarc.reports"}, "use p=none, quarantine or reject"),
    ("p=none", dmarc(f"v=DMARC1; p=none; {RUA}"), {"dmarc.policy"}, "move to quarantine"),
    (
        "not aligned",
        Setup().but(
            settings={"mail_bounce_address": "b+@b.other.example"},
            key=None,
            records={
                ("txt", "b.other.example"): ["v=spf1 include:relay.example -all"],
                ("mx", "b.other.example"): [f"in.{D}"],
            },
            words=("--ip", IP, "--only", "dns"),
        ),
        {"dkim.signs", "dmarc.alignment"},
        f"sign with a domain of {D}",
    ),
    ("a DMARC test", dmarc(f"v=DMARC1; p=reject; t=y; {RUA}"), {"dmarc.testing"}, "remove t=y"),
    ("no rua", dmarc("v=DMARC1; p=reject"), {"dmarc.reports"}, f"add rua=mailto:dmarc@{D}"),
    (
        "rua of strangers",
        dmarc("v=DMARC1; p=reject; rua=mailto:a@reports.example"),
        {"dmarc.reports"},
        f"{D}._report._dmarc.reports.example",
    ),
    ("pct", dmarc(f"v=DMARC1; p=reject; pct=20; {RUA}"), {"dmarc.removed"}, "for a test, use t=y"),
    ("psd=y", Setup().but(records={DMARC: [f"v=DMARC1; p=reject; psd=y; {RUA}"]}), {"dmarc.psd"}, "remove psd=y"),
    (
        "bounces go nowhere",
        Setup().but(records={("mx", BOUNCES): []}, web={("GET", POLICY): policy(STS)}),
        {"bounces.mx"},
        "publish an MX",
    ),
    (
        "MX without address",
        Setup().but(records={("mx", BOUNCES): ["gone.acme.example"]}),
        {"bounces.mx"},
        "correct or remove that MX",
    ),
    ("no PTR", Setup().but(records={PTR: []}), {"address.ptr"}, "ask the provider of the address"),
    (
        "PTR that leads elsewhere",
        Setup().but(records={("a", f"out.{D}"): ["203.0.113.1"]}),
        {"address.ptr"},
        f"record for out.{D}",
    ),
    (
        "no policy behind MTA-STS",
        sts("").but(web={("GET", POLICY): WebAnswer(404)}),
        {"mta-sts.policy"},
        "serve the policy there",
    ),
    ("MTA-STS redirects", sts("").but(web={("GET", POLICY): WebAnswer(301)}), {"mta-sts.policy"}, "without a redirect"),
    (
        "MTA-STS with a bad certificate",
        sts("").but(web={("GET", POLICY): WebUntrusted("expired")}),
        {"mta-sts.policy"},
        "a valid certificate",
    ),
    ("MTA-STS names another server", sts(STS.replace("*.acme", "mx.old")), {"mta-sts.mx"}, f"add mx: in.{D}"),
    ("MTA-STS in testing", sts(STS.replace("enforce", "testing")), {"mta-sts.mode"}, "use mode: enforce"),
    (
        "MTA-STS without an id",
        Setup().but(records={STS_RECORD: ["v=STSv1;"]}),
        {"mta-sts.record"},
        "id=<letters and digits>",
    ),
    ("no TLS-RPT", Setup().but(records={TLS_RPT: []}), {"tls-rpt.record"}, f"_smtp._tls.{BOUNCES}"),
    ("TLS-RPT without rua", Setup().but(records={TLS_RPT: ["v=TLSRPTv1;"]}), {"tls-rpt.record"}, "rua=mailto:tls@"),
    (
        "a server that fails",
        Setup().but(records={DMARC: "the DNS servers failed to answer"}),
        {"dns.answers"},
        "try again",
    ),
]
