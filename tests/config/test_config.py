"""Settings: what is wrong is said, line by line, before anything starts."""

import json
from email.utils import parseaddr
from pathlib import Path

import pytest
from sqlalchemy import make_url

from notifier.config.cross_checks import DEVELOPMENT_SECRET
from notifier.config.loading import load_settings, make_development_key
from notifier.config.settings import ConfigError, Settings

PRODUCTION = {
    "NOTIFIER_ENV": "production",
    "PUBLIC_URL": "https://app.example.com",
    "SECRET_KEYS": "a-key-that-is-long-enough-for-production",
    "DATABASE_URL": "postgresql://db/notifier",
    "REDIS_URL": "redis://:a-password@broker/0",
    "MAIL_SERVER": "smtp.example.com",
    "MAIL_PORT": "587",
    "MAIL_USE_TLS": "1",
    "MAIL_DEFAULT_SENDER": "Acme <hello@acme-news.com>",
    "POSTAL_ADDRESS": "Acme Ltd, 2 High Street, Leeds",
}


def load(monkeypatch: pytest.MonkeyPatch, **changes: str | None) -> Settings:
    for name, value in (PRODUCTION | changes).items():
        if value is not None:
            monkeypatch.setenv(name, value)
    return load_settings()


def test_a_complete_production_setting_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    assert settings.sqlalchemy_url == "postgresql+psycopg://db/notifier"
    assert settings.link_base == "https://app.example.com"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"SECRET_KEYS": None}, "SECRET_KEYS: the development secret must not be used in production"),
        ({"SECRET_KEYS": f"{DEVELOPMENT_SECRET},{'x' * 40}"}, "SECRET_KEYS: the development secret"),
        ({"SECRET_KEYS": "short"}, "SECRET_KEYS: each key needs 32 characters or more"),
        ({"PUBLIC_URL": None}, "PUBLIC_URL: production needs"),
        ({"PUBLIC_URL": "http://app.example.com"}, "PUBLIC_URL: production links must be https"),
        ({"PUBLIC_URL": "app.example.com"}, "PUBLIC_URL: must be an absolute http(s) address"),
        ({"DATABASE_URL": None}, "DATABASE_URL: production needs"),
        ({"REDIS_URL": None}, "REDIS_URL or CELERY_BROKER_URL: production needs"),
        ({"MAIL_USE_TLS": None}, "MAIL_USE_TLS or MAIL_USE_SSL: set one; only a mail server on this machine"),
        (
            {"MAIL_USE_TLS": None, "MAIL_SERVER": "127.0.0.1", "MAIL_USERNAME": "u", "MAIL_PASSWORD": "p"},
            "MAIL_USERNAME needs MAIL_USE_TLS or MAIL_USE_SSL",
        ),
        ({"MAIL_USE_SSL": "1"}, "MAIL_USE_TLS and MAIL_USE_SSL: choose one"),
        ({"MAIL_USERNAME": "u"}, "MAIL_USERNAME and MAIL_PASSWORD: set both or neither"),
        ({"MAIL_LEASE": "0"}, "MAIL_LEASE: "),
        ({"MAIL_FENCE": "30"}, "MAIL_HEARTBEAT (5 s) must be shorter than MAIL_FENCE (30 s), and that shorter than"),
        ({"MAIL_HEARTBEAT": "25"}, "MAIL_HEARTBEAT (25 s) must be shorter than MAIL_FENCE (20 s)"),
        ({"NOTIFIER_HOST": "a host"}, "NOTIFIER_HOST: "),
        ({"MAIL_PROBE_FIRST": "600"}, "MAIL_PROBE_LONGEST: must not be shorter than MAIL_PROBE_FIRST"),
        ({"MAIL_PROBE_FIRST": "0"}, "MAIL_PROBE_FIRST: "),
        ({"MAIL_PROVIDER_WITNESSES": "0"}, "MAIL_PROVIDER_WITNESSES: "),
        ({"MAIL_MX_TTL": "-1"}, "MAIL_MX_TTL: "),
        ({"MAIL_PORT": "smtp"}, "MAIL_PORT: "),
        ({"PUBLIC_URL": "https://ex.com:notaport"}, "PUBLIC_URL: must be"),
        ({"PUBLIC_URL": "https://user:pw@ex.com"}, "PUBLIC_URL: must be"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: must be"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:notaport/x"}, "DATABASE_URL: must be"),
        ({"REDIS_URL": "http://127.0.0.1:1/"}, "REDIS_URL: must be"),
        ({"REDIS_URL": "redis://127.0.0.1:99999/0"}, "REDIS_URL: must be"),
        ({"MAIL_BOUNCE_ADDRESS": "x y"}, "MAIL_BOUNCE_ADDRESS: must be an address"),
        ({"SECRET_KEYS": "a" * 40}, "SECRET_KEYS: a key repeats a few characters"),
        ({"SECRET_KEYS": "abc" * 15}, "SECRET_KEYS: a key repeats a few characters"),
        ({"SECRET_KEYS": "0123456789" * 4}, "SECRET_KEYS: a key repeats a few characters"),
        ({"SECRET_KEYS": "012345601234560123456012345605163"}, "SECRET_KEYS: a key repeats a few"),
        ({"SECRET_KEYS": "Your-Secret-Key-goes-here-0123456789"}, "SECRET_KEYS: a key is the text of an example"),
        ({"SECRET_KEYS": "please_change_me_before_you_go_live_1"}, "SECRET_KEYS: a key is the text of an example"),
        ({"SECRET_KEYS": "CHANGEIT-CHANGEIT-0123456789-abcdefgh"}, "SECRET_KEYS: a key is the text of an example"),
        ({"SECRET_KEYS": f'["{PRODUCTION["SECRET_KEYS"]}"]'}, "SECRET_KEYS: a JSON list is not read"),
        ({"MAIL_DEFAULT_SENDER": None}, "MAIL_DEFAULT_SENDER: the example sender"),
        ({"MAIL_DEFAULT_SENDER": "Acme <a@notifier.example>"}, "MAIL_DEFAULT_SENDER: the example sender and domains"),
        ({"MAIL_DEFAULT_SENDER": "root@localhost"}, "MAIL_DEFAULT_SENDER: the example sender and domains"),
        ({"MAIL_DEFAULT_SENDER": "a@printer.local"}, "MAIL_DEFAULT_SENDER: the example sender and domains"),
        ({"MAIL_DEFAULT_SENDER": "a@acme.test"}, "MAIL_DEFAULT_SENDER: the example sender and domains"),
        ({"REDIS_URL": "rediss://:p@broker/0?ssl_cert_reqs=none"}, "REDIS_URL: with ssl_cert_reqs=none, any server"),
        (
            {"CELERY_BROKER_URL": "rediss://:p@broker/0?ssl_cert_reqs=none"},
            "CELERY_BROKER_URL: with ssl_cert_reqs=none, any server",
        ),
        ({"POSTAL_ADDRESS": None}, "POSTAL_ADDRESS: the example address"),
        ({"REDIS_URL": "redis://broker/0"}, "REDIS_URL: a broker on another machine needs a password"),
        ({"REDIS_URL": "rediss://user@broker/0"}, "REDIS_URL: a broker on another machine needs a password"),
        ({"CELERY_BROKER_URL": "amqp://guest@broker//"}, "CELERY_BROKER_URL: a broker on another machine"),
        ({"CELERY_BROKER_URL": "sqs://x:y@broker"}, "CELERY_BROKER_URL: must be redis://"),
        ({"CELERY_BROKER_URL": "broker:6379"}, "CELERY_BROKER_URL: must be redis://"),
        ({"MAIL_SERVER": "smtp://smtp.example.com"}, "MAIL_SERVER: must be a host name"),
        ({"MAIL_SERVER": "smtp.example.com:587"}, "MAIL_SERVER: must be a host name"),
        ({"MAIL_SERVER": '"smtp.example.com"'}, "MAIL_SERVER: the quotes around it"),
        ({"POSTAL_ADDRESS": "'Acme, Leeds'"}, "POSTAL_ADDRESS: the quotes around it"),
        ({"MAIL_DEFAULT_SENDER": "Acme hello@acme.example"}, "MAIL_DEFAULT_SENDER: write an address, or Name <"),
        ({"MAIL_DEFAULT_SENDER": "Acme <hello@acme>"}, "MAIL_DEFAULT_SENDER: write an address, or Name <"),
        ({"MAIL_DEFAULT_SENDER": "a@b.example, c@d.example"}, "MAIL_DEFAULT_SENDER: write an address, or Name <"),
        ({"MAIL_DEFAULT_SENDER": "A <a@b.example>, C <c@d.example>"}, "MAIL_DEFAULT_SENDER: it contains more than one"),
        ({"MAIL_DEFAULT_SENDER": "Acme\nBcc: x <hello@acme.example>"}, "MAIL_DEFAULT_SENDER: holds a line break"),
        ({"MAIL_DEFAULT_SENDER": "=?utf-8?q?Acme?= <hello@acme.example>"}, "MAIL_DEFAULT_SENDER: the name cannot"),
        ({"MAIL_DEFAULT_SENDER": "Acme <hé@acme.example>"}, "MAIL_DEFAULT_SENDER: write an address, or Name <"),
        ({"MAIL_REPLY_TO": "support"}, "MAIL_REPLY_TO: write an address, or Name <address>"),
        ({"RATELIMIT_ENABLED": "0"}, "RATELIMIT_ENABLED=0: limits cannot be turned off in production"),
    ],
)
def test_every_mistake_has_its_line(monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], line: str) -> None:
    with pytest.raises(ConfigError) as failure:
        load(monkeypatch, **changes)
    assert [text for text in str(failure.value).splitlines() if text.startswith(line)], str(failure.value)


def test_all_mistakes_are_said_at_once_and_no_secret_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError) as failure:
        load(monkeypatch, PUBLIC_URL=None, DATABASE_URL=None, SECRET_KEYS="hush")
    assert len(str(failure.value).splitlines()) == 3
    assert "hush" not in str(failure.value)


def test_development_needs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path))
    settings = load_settings()
    assert settings.sqlalchemy_url == f"sqlite:///{tmp_path / 'notifier.db'}"
    assert settings.link_base == "http://127.0.0.1:8000"


def test_a_data_folder_has_a_key_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path))
    assert load_settings().secret_keys == [DEVELOPMENT_SECRET]
    make_development_key(tmp_path)
    (key,) = load_settings().secret_keys
    assert len(key) >= 32
    assert (tmp_path / "secret.key").stat().st_mode & 0o777 == 0o600
    make_development_key(tmp_path)
    assert load_settings().secret_keys == [key]
    monkeypatch.setenv("SECRET_KEYS", "of-the-environment")
    assert load_settings().secret_keys == ["of-the-environment"]


def test_keys_go_from_oldest_to_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEYS", " old , new ")
    assert load_settings().secret_keys == ["old", "new"]


FOUND = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())


@pytest.mark.parametrize("name", ["MAIL_DEFAULT_SENDER", "MAIL_REPLY_TO"])
@pytest.mark.parametrize("case", FOUND["sender_setting"]["cases"], ids=lambda case: case["id"])
def test_a_sender_works_as_meant_or_stops_the_start(
    monkeypatch: pytest.MonkeyPatch, case: dict[str, str], name: str
) -> None:
    try:
        settings = load(monkeypatch, NOTIFIER_ENV="test", **{name: case["input"]})
    except ConfigError as error:
        (line,) = str(error).splitlines()
        assert line.startswith(f"{name}: ")
        assert case["expect"] != "accept, domain as A-label"
        return
    assert case["expect"] != "refuse"
    box = settings.sender if name == "MAIL_DEFAULT_SENDER" else settings.reply_to
    known = {
        "sender_setting-2": ("Acme: News", "news@acme.example"),
        "sender_setting-3": ("Büro", "hallo@xn--bcher-kva.example"),
    }
    assert box == known[case["id"]]


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("hello@acme.example", ("", "hello@acme.example")),
        ("<hello@acme.example>", ("", "hello@acme.example")),
        ("Acme, Inc. <news@acme.example>", ("Acme, Inc.", "news@acme.example")),
        ('"Acme, \\"Inc.\\"" <news@acme.example>', ('Acme, "Inc."', "news@acme.example")),
        ("Acme (UK): News; daily <news@acme.example>", ("Acme (UK): News; daily", "news@acme.example")),
        ("O\u2019Brien & Co <News@acme.example>", ("O\u2019Brien & Co", "News@acme.example")),
        ("Local <root@localhost>", ("Local", "root@localhost")),
    ],
)
def test_a_sender_keeps_its_whole_name(monkeypatch: pytest.MonkeyPatch, text: str, box: tuple[str, str]) -> None:
    settings = load(monkeypatch, NOTIFIER_ENV="test", MAIL_DEFAULT_SENDER=text)
    assert settings.sender == box
    # Flask-Mail's users read the setting with the standard library.
    assert parseaddr(settings.mail_default_sender) == box


@pytest.mark.parametrize("folder", ["a%41b", "a?b=c", "a#b", "a b", "ü"])
def test_any_name_of_the_data_folder_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str) -> None:
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path / folder))
    assert make_url(load_settings().sqlalchemy_url).database == str(tmp_path / folder / "notifier.db")


def test_a_broker_without_a_password_can_be_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, REDIS_URL="redis://broker/0", ALLOW_OPEN_BROKER="1").broker_url == "redis://broker/0"
    assert load(monkeypatch, REDIS_URL="redis://127.0.0.1/0").broker_url == "redis://127.0.0.1/0"


@pytest.mark.parametrize("domain", ["test.acme.com", "myexample.com", "example.com.au", "localhost.acme.dev"])
def test_a_domain_that_only_looks_reserved_may_send(monkeypatch: pytest.MonkeyPatch, domain: str) -> None:
    assert load(monkeypatch, MAIL_DEFAULT_SENDER=f"hello@{domain}").sender_domain == domain
