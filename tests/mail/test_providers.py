"""Providers: known by the recipient's domain or its mail servers, and by nothing else."""

import pytest

from notifier.mail import providers


@pytest.mark.parametrize(
    ("domain", "scope", "label"),
    [
        ("gmail.com", "gmail", "Gmail"),
        ("googlemail.com", "gmail", "Gmail"),
        ("outlook.com", "microsoft", "Microsoft"),
        ("hotmail.co.uk", "microsoft", "Microsoft"),
        ("live.com", "microsoft", "Microsoft"),
        ("yahoo.com", "yahoo", "Yahoo"),
        ("icloud.com", "apple", "Apple"),
        ("example.com", "example.com", "example.com"),
        ("mail.gmail.com", "mail.gmail.com", "mail.gmail.com"),
        ("yahoo.co.jp", "yahoo.co.jp", "yahoo.co.jp"),
        ("notgmail.com", "notgmail.com", "notgmail.com"),
    ],
)
def test_the_scope_of_a_domain(domain: str, scope: str, label: str) -> None:
    assert providers.scope_of(domain) == scope
    assert providers.label_of(scope) == label


@pytest.mark.parametrize(
    ("servers", "provider"),
    [
        (["aspmx.l.google.com", "alt1.aspmx.l.google.com", "ASPMX2.googlemail.com"], "gmail"),
        (["acme-example.mail.protection.outlook.com"], "microsoft"),
        (["acme-example.a-v1.mx.microsoft"], "microsoft"),
        (["mx-biz.mail.am0.yahoodns.net"], "yahoo"),
        (["mx01.mail.icloud.com"], "apple"),
        (["mx.acme.example"], None),
        (["google.com.acme.example"], None),
        (["notgoogle.com"], None),
        # One of them may be anyone's: what it says is not the provider's.
        (["aspmx.l.google.com", "mx.acme.example"], None),
        ([""], None),
        ([], None),
    ],
)
def test_the_provider_of_mail_servers(servers: list[str], provider: str | None) -> None:
    assert providers.by_mail_servers(servers) == provider


def test_no_domain_is_of_two_providers_and_no_scope_looks_like_a_domain() -> None:
    domains = [domain for each in providers.PROVIDERS.values() for domain in each.domains]
    assert len(domains) == len(set(domains))
    assert not any("." in name for name in providers.PROVIDERS)


def test_a_key_tells_its_parts() -> None:
    assert providers.parts(providers.key("smtp", "gmail")) == ("smtp", "gmail")
