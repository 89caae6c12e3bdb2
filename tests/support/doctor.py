"""Set-ups for the doctor: settings, DNS and web servers of one sender, of which a test changes one thing."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from flask import Flask

from notifier.app import create_app
from notifier.emails import EmailKind
from notifier.sender_auth import WebAnswer
from notifier.sender_auth.dkim_keys import load_private_key
from notifier.testing.applications import close
from notifier.testing.settings import make_settings
from tests.support.commands import runner
from tests.support.dns import StubResolver, StubWeb
from tests.support.keys import key_file
from tests.support.services import replace_services

Records = Mapping[tuple[str, str], Any]

D, IP, BOUNCES = "acme.example", "198.51.100.7", "bounces.acme.example"
BASE = "https://app.acme.example"
POLICY = f"https://mta-sts.{BOUNCES}/.well-known/mta-sts.txt"
STS = "version: STSv1\nmode: enforce\nmx: *.acme.example\nmax_age: 604800\n"

#: notifier's page of an invalid link.
OURS = WebAnswer(404, {"cache-control": "no-store"}, "This link doesn't work")


def policy(text: str, kind: str = "text/plain; charset=utf-8", status: int = 200) -> WebAnswer:
    """The answer of a server with an MTA-STS policy."""
    return WebAnswer(status, {"content-type": kind}, text)


@dataclass(frozen=True, slots=True)
class Setup:
    """Everything that the doctor looks at. The default is good."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    records: Records = field(default_factory=dict)
    web: Mapping[tuple[str, str], WebAnswer | Exception] = field(default_factory=dict)
    words: tuple[str, ...] = ("--ip", IP)
    #: Called in the application's context, to store rows.
    prepare: Callable[[], object] = lambda: None
    kinds: Mapping[str, EmailKind] | None = None
    templates: Path | None = None
    #: The bits and the form of the DKIM key; None: notifier signs nothing.
    key: tuple[str, int] | None = ("rsa-pkcs8", 2048)

    def but(self, *, records: Records | None = None, **changes: Any) -> "Setup":
        """The same with changes; `records`, `web` and `settings` are added."""
        for name in ("settings", "web"):
            if name in changes:
                changes[name] = {**getattr(self, name), **changes[name]}
        return replace(self, records={**self.records, **(records or {})}, **changes)


def key_settings(folder: Path, form: str, bits: int) -> dict[str, Any]:
    """The settings of a signer with a new key."""
    path = key_file(folder, form, bits=bits)
    return {"mail_dkim_domain": D, "mail_dkim_selector": "s1", "mail_dkim_key_file": path}


def good_records(key: str | None) -> dict[tuple[str, str], Any]:
    """The DNS of a sender that has everything."""
    return {
        ("txt", D): ["v=spf1 include:relay.example -all"],
        ("txt", BOUNCES): ["v=spf1 include:relay.example -all"],
        ("txt", "relay.example"): ["v=spf1 ip4:198.51.100.0/24 ip6:2001:db8::/32 ~all"],
        ("txt", f"s1._domainkey.{D}"): [key] if key else [],
        ("txt", f"_dmarc.{D}"): [f"v=DMARC1; p=reject; rua=mailto:d@{D}"],
        ("mx", D): [f"in.{D}"],
        ("mx", BOUNCES): [f"in.{D}"],
        ("a", f"in.{D}"): ["198.51.100.9"],
        ("a", f"smtp.{D}"): ["8.8.8.8"],
        ("ptr", IP): [f"out.{D}"],
        ("a", f"out.{D}"): [IP],
        ("txt", f"_mta-sts.{BOUNCES}"): ["v=STSv1; id=20261101;"],
        ("txt", f"_smtp._tls.{BOUNCES}"): [f"v=TLSRPTv1; rua=mailto:tls@{D}"],
    }


GOOD_WEB: dict[tuple[str, str], WebAnswer | Exception] = {
    ("GET", POLICY): policy(STS),
    ("POST", f"{BASE}/u/"): OURS,
}


#: What is planted, the set-up, the rules that complain, and words of the cure.
Case = tuple[str, Setup, set[str], str]


@contextmanager
def built(setup: Setup, folder: Path, database_url: str) -> Iterator[tuple[Flask, StubResolver, StubWeb]]:
    """Build the application of a set-up, with its DNS and web servers, and with its rows."""
    key = key_settings(folder, *setup.key) if setup.key else {}
    record = load_private_key(key["mail_dkim_key_file"]).public.record if key else None
    values: dict[str, Any] = {
        "database_url": database_url,
        "notifier_data_dir": folder,
        "public_url": BASE,
        "mail_server": f"smtp.{D}",
        "mail_default_sender": f"Acme <hello@{D}>",
        "mail_reply_to": f"help@{D}",
        "mail_bounce_address": f"b+@{BOUNCES}",
        "postal_address": "Acme, 7 Mill Road, Leeds",
    }
    resolver = StubResolver({**good_records(record), **setup.records})
    web = StubWeb({**GOOD_WEB, **setup.web})
    app = create_app(
        make_settings(**values | key | dict(setup.settings)),
        publish=lambda keys, bulk: None,
        kinds=setup.kinds,
        templates=setup.templates,
    )
    replace_services(app, resolver=lambda: resolver, web=lambda: web)
    try:
        with app.app_context():
            setup.prepare()
        yield app, resolver, web
    finally:
        close(app)


def examined(setup: Setup, folder: Path, database_url: str) -> list[dict[str, str]]:
    """The lines of `notifier doctor --json`, whose exit code agrees with them."""
    with built(setup, folder, database_url) as (app, _, _):
        with app.app_context():
            result = runner(app)("doctor", "--json", *setup.words)
        if not isinstance(result.exception, SystemExit | None):
            raise result.exception
        assert result.output.startswith("["), result.output
        lines: list[dict[str, str]] = json.loads(result.output)
    assert result.exit_code == any(line["level"] == "WRONG" for line in lines)
    return lines


def alarms(lines: list[dict[str, str]]) -> list[dict[str, str]]:
    """The lines that ask for something to be done."""
    return [line for line in lines if line["level"] in {"warn", "WRONG"}]
