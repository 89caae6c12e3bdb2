"""The DNS group of `notifier doctor`, and an application with several transports and staging."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from notifier.app import create_app
from notifier.cli.main import build
from notifier.config.settings import ConfigError
from notifier.sender_auth.dkim_keys import load_private_key
from notifier.services import services_of
from tests.sender_auth.test_checks import GOOD
from tests.support.applications import make_settings
from tests.support.dns import StubResolver, StubWeb
from tests.support.keys import key_file
from tests.support.services import replace_services

BACKUP = '[[transport]]\nname = "backup"\nserver = "mx.backup.example"\nport = 25\n'


def application(folder: Path, **values: Any) -> Flask:
    defaults = {
        "database_url": f"sqlite:///{folder / 'x.db'}",
        "notifier_data_dir": folder,
        "mail_default_sender": "Acme <hello@example.com>",
    }
    return create_app(make_settings(**defaults | values), publish=lambda keys, bulk: None)


def run(app: Flask, records: dict[tuple[str, str], Any], *words: str, up: bool = True) -> Result:
    replace_services(app, resolver=lambda: StubResolver(records, up=up), web=StubWeb)
    return CliRunner().invoke(build(lambda: app), ["doctor", "--only", "dns", *words])


def signing(folder: Path) -> dict[str, Any]:
    return {
        "mail_dkim_domain": "example.com",
        "mail_dkim_selector": "s1",
        "mail_dkim_key_file": key_file(folder, bits=2048),
    }


def test_all_is_well_for_the_settings(tmp_path: Path) -> None:
    values = signing(tmp_path)
    key = load_private_key(values["mail_dkim_key_file"])
    records = GOOD | {("txt", "s1._domainkey.example.com"): [key.public.record]}
    result = run(application(tmp_path, **values), records, "--ip", "198.51.100.7")
    assert (result.exit_code, "WRONG" in result.output) == (0, False), result.output
    lines = json.loads(run(application(tmp_path, **values), records, "--ip", "198.51.100.7", "--json").output)
    assert [line["level"] for line in lines] == ["ok"] * 7
    assert lines[1]["name"] == "DKIM s1._domainkey.example.com"


def test_what_is_wrong_ends_with_1(tmp_path: Path) -> None:
    result = run(application(tmp_path, **signing(tmp_path)), GOOD, "--ip", "198.51.100.7", "--json")
    assert result.exit_code == 1
    levels = {line["name"].split()[0]: line["level"] for line in json.loads(result.output)}
    assert levels == {"SPF": "ok", "DKIM": "WRONG", "DMARC": "ok", "MX": "ok", "PTR": "ok", "MTA-STS": "ok"}


def test_the_signatures_of_all_transports_are_looked_at(tmp_path: Path) -> None:
    values = signing(tmp_path)
    dkim = f'dkim_domain = "example.com"\ndkim_selector = "s2"\ndkim_key_file = "{values["mail_dkim_key_file"].name}"\n'
    (tmp_path / "transports.toml").write_text(BACKUP + dkim)
    app = application(tmp_path, mail_transports=tmp_path / "transports.toml", **values)
    lines = json.loads(run(app, GOOD, "--selector", "relay", "--json").output)
    names = [line["name"] for line in lines if line["name"].startswith("DKIM")]
    assert names == [f"DKIM {selector}._domainkey.example.com" for selector in ("s1", "s2", "relay")]


def test_another_domain_in_its_own_script(tmp_path: Path) -> None:
    result = run(application(tmp_path), GOOD, "--domain", "B\u00fccher.example", "--json")
    assert next(line["name"] for line in json.loads(result.output)) == "SPF of xn--bcher-kva.example"


@pytest.mark.parametrize(("words", "problem"), [(("--domain", "nodots"), "needs a dot"), (("--ip", "me"), "not an IP")])
def test_what_cannot_be_looked_at_is_said(words: tuple[str, ...], problem: str, tmp_path: Path) -> None:
    result = run(application(tmp_path), GOOD, *words)
    assert result.exit_code in {1, 2}
    assert problem in result.output


def test_without_a_network(tmp_path: Path) -> None:
    result = run(application(tmp_path), {}, up=False)
    assert result.exit_code == 1
    assert "no answer about example.com within 5 s" in " ".join(result.output.split())


def test_brackets_in_a_record_are_shown(tmp_path: Path) -> None:
    records = GOOD | {("txt", "example.com"): ["v=spf1 [/red] -all"]}
    assert "[/red]" in run(application(tmp_path), records).output


# --- the wiring ------------------------------------------------------------------------------------


def test_the_application_has_all_transports_and_the_primary(tmp_path: Path) -> None:
    (tmp_path / "transports.toml").write_text(BACKUP)
    app = application(tmp_path, mail_transports=tmp_path / "transports.toml", **signing(tmp_path))
    transports = services_of(app).transports
    assert transports.names == ("smtp", "backup")
    assert services_of(app).transports.primary is transports.transport("smtp")
    assert transports.transport("backup").endpoint.host == "mx.backup.example"
    assert [config.signer is not None for config in transports.configs] == [True, False]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"mail_transports": Path("gone.toml")}, "MAIL_TRANSPORTS: gone.toml cannot be read"),
        ({"mail_dkim_domain": "example.com"}, "MAIL_DKIM_SELECTOR: missing"),
        ({"mail_allow": "nobody@"}, "MAIL_ALLOW: nobody@"),
        ({"mail_redirect_to": "nobody"}, "MAIL_REDIRECT_TO: "),
    ],
)
def test_a_mistake_ends_the_start(values: dict[str, Any], line: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failure:
        application(tmp_path, **values)
    assert str(failure.value).startswith(line)
