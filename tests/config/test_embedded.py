"""Settings of a notifier inside another application."""

from pathlib import Path
from typing import Any

import pytest

from notifier.config.embedded import load_embedded_settings
from notifier.config.settings import Settings


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"NOTIFIER_{name.upper()}", raising=False)


def load(tmp_path: Path, config: dict[str, Any] | None = None, *, testing: bool = False) -> Settings:
    return load_embedded_settings(
        config or {}, database_url="sqlite:///host.db", mount="/mail", data_dir=tmp_path / "data", testing=testing
    )


def test_our_own_name_comes_before_the_name_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"MAIL_SERVER": "smtp.host.example"}
    assert load(tmp_path, config).mail_server == "smtp.host.example"
    config["NOTIFIER_MAIL_SERVER"] = "smtp.config.example"
    assert load(tmp_path, config).mail_server == "smtp.config.example"
    monkeypatch.setenv("NOTIFIER_MAIL_SERVER", "smtp.environment.example")
    assert load(tmp_path, config).mail_server == "smtp.environment.example"


def test_the_plain_name_in_the_environment_counts_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_SERVER", "smtp.plain.example")
    assert load(tmp_path).mail_server == "smtp.plain.example"
    assert load(tmp_path, {"MAIL_SERVER": "smtp.host.example"}).mail_server == "smtp.host.example"


def test_values_of_the_configuration_keep_their_types(tmp_path: Path) -> None:
    config = {
        "MAIL_PORT": 2525,
        "MAIL_USE_TLS": True,
        "TRUSTED_HOSTS": None,
        "MAIL_DEFAULT_SENDER": ("Shop", "a@b.org"),
    }
    settings = load(tmp_path, config)
    assert (settings.mail_port, settings.mail_use_tls) == (2525, True)
    assert settings.trusted_hosts == []
    assert str(settings.sender) == "Shop <a@b.org>"


def test_keys_and_database_are_never_those_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = {"SECRET_KEY": "the host's", "SECRET_KEYS": ["the host's"], "DATABASE_URL": "postgresql://host/other"}
    monkeypatch.setenv("SECRET_KEYS", "the host's")
    monkeypatch.setenv("DATABASE_URL", "postgresql://host/other")
    settings = load(tmp_path, config)
    assert settings.sqlalchemy_url == "sqlite:///host.db"
    assert "the host's" not in settings.secret_keys
    monkeypatch.setenv("NOTIFIER_SECRET_KEYS", "old,new")
    assert load(tmp_path, config).secret_keys == ["old", "new"]


def test_in_development_all_processes_share_a_random_key(tmp_path: Path) -> None:
    keys = load(tmp_path).secret_keys
    assert keys == load(tmp_path).secret_keys
    assert keys != load(tmp_path / "other").secret_keys


def test_a_test_of_the_host_sends_nothing_and_writes_no_key(tmp_path: Path) -> None:
    assert load(tmp_path, testing=True).notifier_env == "test"
    assert not (tmp_path / "data").exists()


def test_mistakes_name_the_setting_that_a_developer_of_the_host_sets(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(tmp_path, {"MAIL_PORT": "smtp", "NOTIFIER_ENV": "staging"})
    assert str(stopped.value).splitlines() == [
        "NOTIFIER_ENV: must be development, test or production",
        "NOTIFIER_MAIL_PORT: must be a whole number from 1 to 65535",
    ]


def test_production_needs_an_address_keys_and_a_sender(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        load(tmp_path, {"NOTIFIER_ENV": "production"})
    text = str(stopped.value)
    assert "NOTIFIER_PUBLIC_URL: production needs" in text
    assert "NOTIFIER_SECRET_KEYS: the development secret" in text
    assert "DATABASE_URL" not in text


def test_without_an_address_links_lead_to_the_development_server(tmp_path: Path) -> None:
    assert load(tmp_path).link_base == "http://127.0.0.1:5000/mail"


def test_the_front_page_is_where_the_host_begins(tmp_path: Path) -> None:
    assert load(tmp_path).home_url == "http://127.0.0.1:5000"
    config = {"NOTIFIER_PUBLIC_URL": "https://shop.example/app/mail"}
    assert load(tmp_path, config).home_url == "https://shop.example/app"
    assert load(tmp_path, {**config, "HOME_URL": "https://www.shop.example/"}).home_url == "https://www.shop.example"


def test_nothing_in_the_environment_changes_a_test_of_the_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = load(tmp_path, testing=True)
    for name in (
        "NOTIFIER_ENV",
        "FLASK_RUN_PORT",
        "NOTIFIER_PUBLIC_URL",
        "PUBLIC_URL",
        "MAIL_SERVER",
        "NOTIFIER_REDIS_URL",
    ):
        monkeypatch.setenv(name, "5001")
    assert load(tmp_path, testing=True) == usual
    assert (
        load(tmp_path, {"NOTIFIER_PUBLIC_URL": "https://shop.example/mail"}, testing=True).home_url
        == "https://shop.example"
    )


def test_a_host_under_test_has_no_thread_beside_its_pages(tmp_path: Path) -> None:
    assert load(tmp_path).status_check_interval > 0
    assert load(tmp_path, testing=True).status_check_interval == 0
    assert load(tmp_path, {"NOTIFIER_STATUS_CHECK_INTERVAL": 2}, testing=True).status_check_interval == 2
