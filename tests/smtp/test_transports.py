"""Several ways out: the settings that make them, and which one a mail takes."""

import random
from collections import Counter
from pathlib import Path

import pytest

from notifier.config.settings import ConfigError, Settings
from notifier.smtp.session import Endpoint
from notifier.smtp.transport import Transport
from notifier.smtp.transports import PRIMARY, Tls, TransportConfig, Transports, transport_configs
from tests.support.applications import make_settings
from tests.support.certificates import certificates
from tests.support.keys import key_file

BACKUP = """
[[transport]]
name = "backup"
server = "smtp.backup.example"
port = 465
security = "implicit"
username = "notifier"
password_env = "BACKUP_PASSWORD"
weight = 0.5
"""
SECRET = "s3cret-of-the-backup"
ENVIRON = {"BACKUP_PASSWORD": SECRET}
LIVE = {
    "notifier_env": "production",
    "public_url": "https://app.example.com",
    "database_url": "postgresql://db/notifier",
    "redis_url": "redis://:a-password@broker/0",
    "mail_server": "smtp.example.com",
    "mail_use_tls": True,
    "mail_default_sender": "Acme <hello@acme-news.com>",
    "postal_address": "Acme Ltd, 2 High Street, Leeds",
    "ratelimit_enabled": True,
}


def settings_with(folder: Path, toml: str, **values: object) -> Settings:
    path = folder / "transports.toml"
    path.write_text(toml)
    return make_settings(mail_transports=path, **values)


def mistakes(settings: Settings) -> list[str]:
    with pytest.raises(ConfigError) as failure:
        transport_configs(settings, ENVIRON)
    assert SECRET not in str(failure.value)
    return str(failure.value).splitlines()


def test_without_a_file_there_is_one() -> None:
    settings = make_settings(
        mail_server="mx.example", mail_port=587, mail_use_tls=True, mail_username="u", mail_password="p"
    )
    assert transport_configs(settings) == [
        TransportConfig(PRIMARY, "mx.example", 587, Tls.REQUIRED, username="u", password="p")
    ]


def test_the_file_adds_others(tmp_path: Path) -> None:
    key_file(tmp_path)
    (tmp_path / "authority.pem").write_bytes(certificates().authority.read_bytes())
    more = 'ca_file = "authority.pem"\ndkim_domain = "example.com"\ndkim_selector = "b"\n'
    settings = settings_with(tmp_path, BACKUP + more + 'dkim_key_file = "rsa-pkcs8-1-1024.pem"\n')
    first, second = transport_configs(settings, ENVIRON)
    assert (first.name, first.weight, first.signer) == (PRIMARY, 1.0, None)
    assert (second.name, second.port, second.security, second.weight) == ("backup", 465, Tls.IMPLICIT, 0.5)
    assert (second.username, second.password) == ("notifier", SECRET)
    assert second.ca_file == tmp_path / "authority.pem"
    assert second.signer is not None
    assert (second.signer.domain, second.signer.selector) == ("example.com", "b")
    assert SECRET not in repr(second)
    endpoint = Endpoint.from_config(second, settings)
    assert (endpoint.host, endpoint.port, endpoint.tls) == ("smtp.backup.example", 465, Tls.IMPLICIT)
    assert (endpoint.username, endpoint.password, endpoint.ehlo_name) == ("notifier", SECRET, "notifier.example")
    assert endpoint.context is not None
    assert endpoint.timeouts == Endpoint.from_settings(settings).timeouts


def test_the_primary_signs_too(tmp_path: Path) -> None:
    dkim = {"mail_dkim_domain": "example.com", "mail_dkim_selector": "s1", "mail_dkim_key_file": key_file(tmp_path)}
    (config,) = transport_configs(make_settings(**dkim))
    assert config.signer is not None
    assert config.signer.selector == "s1"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "backup"', 'name = "smtp"', "transport smtp: the name is taken by the MAIL_* settings"),
        ('name = "backup"', 'name = "Back up"', "transport Back up: name: string should match"),
        ('name = "backup"', "", "transport 1: name: field required"),
        ("port = 465", 'port = "465"', "transport backup: port: input should be a valid integer"),
        ("port = 465", "port = 0", "transport backup: port: input should be greater than or equal to 1"),
        ("port = 465", "Port = 465", "transport backup: unknown key Port"),
        ('"implicit"', '"starttls"', "transport backup: security: input should be 'implicit', 'required' or 'none'"),
        ('"implicit"', '"none"', "transport backup: credentials never travel in clear"),
        ("weight = 0.5", "weight = -1", "transport backup: weight: input should be greater than or equal to 0"),
        ("weight = 0.5", "weight = nan", "transport backup: weight: "),
        ("weight = 0.5", f'password = "{SECRET}"', "transport backup: unknown key password"),
        ("BACKUP_PASSWORD", "NO_SUCH_PASSWORD", "transport backup: the variable NO_SUCH_PASSWORD is not set"),
        ('username = "notifier"', "", "transport backup: username and password_env: set both or neither"),
        ("weight = 0.5", 'ca_file = "gone.pem"', "transport backup: ca_file: "),
        ("weight = 0.5", 'ca_file = "transports.toml"', "transport backup: ca_file: "),
        ("weight = 0.5", 'dkim_domain = "example.com"', "transport backup: dkim_selector: missing; DKIM needs"),
        ("[[transport]]", "[transport]", "transports are written as [[transport]]"),
        ("[[transport]]", "[[transports]]", "unknown key transports"),
        ("port = 465", "port = ", ""),
    ],
)
def test_every_mistake_has_its_line(old: str, new: str, line: str, tmp_path: Path) -> None:
    lines = mistakes(settings_with(tmp_path, BACKUP.replace(old, new)))
    assert [text for text in lines if text.startswith(f"MAIL_TRANSPORTS: {line}")], lines


def test_two_of_one_name_are_a_mistake(tmp_path: Path) -> None:
    assert mistakes(settings_with(tmp_path, BACKUP * 2)) == ["MAIL_TRANSPORTS: transport backup: the name is taken"]


def test_all_mistakes_are_said_at_once(tmp_path: Path) -> None:
    toml = BACKUP.replace("465", "0") + BACKUP.replace('"implicit"', '"none"')
    lines = mistakes(settings_with(tmp_path, toml, mail_dkim_domain="example.com", mail_ca_file=tmp_path / "gone"))
    assert [line.split(":")[0] for line in lines] == ["MAIL_DKIM_SELECTOR", "MAIL_CA_FILE"] + ["MAIL_TRANSPORTS"] * 2


@pytest.mark.parametrize(("content", "problem"), [(None, "cannot be read"), (b"\xff", "is not UTF-8"), (b"", "has no")])
def test_a_file_that_is_none(content: bytes | None, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "transports.toml"
    if content is not None:
        path.write_bytes(content)
    (line,) = mistakes(make_settings(mail_transports=path))
    assert problem in line


def test_in_production_only_this_machine_may_do_without_tls(tmp_path: Path) -> None:
    bare = '[[transport]]\nname = "b"\nserver = "mx.example"\nport = 25\nsecurity = "none"\n'
    line = "MAIL_TRANSPORTS: transport b: security = none is allowed only for a server on this machine"
    assert mistakes(settings_with(tmp_path, bare, **LIVE)) == [line]
    own = settings_with(tmp_path, bare.replace("mx.example", "127.0.0.1"), **LIVE)
    assert [config.name for config in transport_configs(own)] == [PRIMARY, "b"]
    assert len(transport_configs(settings_with(tmp_path, bare))) == 2


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("mail_dkim_domain", "exa mple.com", "MAIL_DKIM_DOMAIN: not a domain name"),
        ("mail_dkim_domain", "example..com", "MAIL_DKIM_DOMAIN: not a domain name"),
        ("mail_dkim_domain", "ex\u00e4mple.com", "MAIL_DKIM_DOMAIN: not a domain name"),
        ("mail_dkim_domain", f"{'a' * 60}.com", "MAIL_DKIM_DOMAIN: not a domain name"),
        ("mail_dkim_selector", "a;b", "MAIL_DKIM_SELECTOR: not a selector"),
        ("mail_dkim_key_file", "gone.pem", "MAIL_DKIM_KEY_FILE: gone.pem cannot be read: No such file"),
    ],
)
def test_dkim_mistakes_have_their_line(name: str, value: str, line: str, tmp_path: Path) -> None:
    good = {"mail_dkim_domain": "example.com", "mail_dkim_selector": "s1", "mail_dkim_key_file": key_file(tmp_path)}
    (said,) = mistakes(make_settings(**good | {name: value}))
    assert said.startswith(line)


# --- the choice ------------------------------------------------------------------------------------


def transports(*weights: float) -> Transports:
    names = "abc"
    configs = [TransportConfig(names[at], "127.0.0.1", 25, Tls.NONE, weight=each) for at, each in enumerate(weights)]
    settings = make_settings()
    return Transports(configs, lambda config: Transport(Endpoint.from_config(config, settings)))


def shares(ways: Transports, allowed: set[str]) -> dict[str, int]:
    rng = random.Random(1)
    return dict(Counter(ways.choose(allowed, rng) for _ in range(4000)))


def test_the_choice_follows_the_weights() -> None:
    counts = shares(transports(1, 3, 0), {"a", "b", "c"})
    assert counts.keys() == {"a", "b"}
    assert 2.7 < counts["b"] / counts["a"] < 3.3


def test_what_is_held_is_not_chosen() -> None:
    assert shares(transports(1, 3, 0), {"a", "c"}).keys() == {"a"}
    assert shares(transports(1, 3, 0), {"c", "gone"}).keys() == {"c"}
    assert shares(transports(1, 0, 0), {"b", "c"}).keys() == {"b", "c"}


@pytest.mark.parametrize("allowed", [set(), {"gone"}])
def test_without_any_there_is_no_choice(allowed: set[str]) -> None:
    with pytest.raises(LookupError):
        transports(1, 3).choose(allowed)


def test_they_are_known_by_name() -> None:
    ways = transports(1, 3)
    assert ways.names == ("a", "b")
    assert ways.transport("a") is ways.primary
    assert ways.transport("b") is not ways.primary
    with pytest.raises(KeyError):
        ways.transport("c")
