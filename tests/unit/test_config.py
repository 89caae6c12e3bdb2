"""Settings: what is wrong is said, line by line, before anything starts."""

from pathlib import Path

import pytest

from notifier.config import DEVELOPMENT_SECRET, ConfigError, Settings, load_settings

PRODUCTION = {
    "NOTIFIER_ENV": "production",
    "PUBLIC_URL": "https://app.example.com",
    "SECRET_KEYS": "a-key-that-is-long-enough-for-production",
    "DATABASE_URL": "postgresql://db/notifier",
    "REDIS_URL": "redis://broker/0",
    "MAIL_SERVER": "smtp.example.com",
    "MAIL_PORT": "587",
    "MAIL_USE_TLS": "1",
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
        ({"SECRET_KEYS": None}, "SECRET_KEYS: the development secret is not for production"),
        ({"SECRET_KEYS": f"{DEVELOPMENT_SECRET},{'x' * 40}"}, "SECRET_KEYS: the development secret"),
        ({"SECRET_KEYS": "short"}, "SECRET_KEYS: each key needs 32 characters or more"),
        ({"PUBLIC_URL": None}, "PUBLIC_URL: production needs"),
        ({"PUBLIC_URL": "http://app.example.com"}, "PUBLIC_URL: production links must be https"),
        ({"PUBLIC_URL": "app.example.com"}, "PUBLIC_URL: must be an absolute http(s) address"),
        ({"DATABASE_URL": None}, "DATABASE_URL: production needs"),
        ({"REDIS_URL": None}, "REDIS_URL or CELERY_BROKER_URL: production needs"),
        ({"MAIL_USE_TLS": None}, "MAIL_USE_TLS or MAIL_USE_SSL: only a mail server on this machine"),
        (
            {"MAIL_USE_TLS": None, "MAIL_SERVER": "127.0.0.1", "MAIL_USERNAME": "u", "MAIL_PASSWORD": "p"},
            "MAIL_USERNAME needs MAIL_USE_TLS or MAIL_USE_SSL",
        ),
        ({"MAIL_USE_SSL": "1"}, "MAIL_USE_TLS and MAIL_USE_SSL: choose one"),
        ({"MAIL_USERNAME": "u"}, "MAIL_USERNAME and MAIL_PASSWORD: set both or neither"),
        ({"MAIL_LEASE": "10"}, "MAIL_LEASE: must be longer than MAIL_TIMEOUT_TOTAL"),
        ({"MAIL_PORT": "smtp"}, "MAIL_PORT: "),
        ({"PUBLIC_URL": "https://ex.com:notaport"}, "PUBLIC_URL: must be"),
        ({"PUBLIC_URL": "https://user:pw@ex.com"}, "PUBLIC_URL: must be"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: must be"),
        ({"DATABASE_URL": "postgresql://127.0.0.1:notaport/x"}, "DATABASE_URL: must be"),
        ({"REDIS_URL": "http://127.0.0.1:1/"}, "REDIS_URL: must be"),
        ({"REDIS_URL": "redis://127.0.0.1:99999/0"}, "REDIS_URL: must be"),
        ({"MAIL_BOUNCE_DOMAIN": "x y"}, "MAIL_BOUNCE_DOMAIN: must be a domain"),
        ({"RATELIMIT_ENABLED": "0"}, "RATELIMIT_ENABLED=0: limits cannot be lifted in production"),
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


def test_keys_go_from_oldest_to_newest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEYS", " old , new ")
    assert load_settings().secret_keys == ["old", "new"]
