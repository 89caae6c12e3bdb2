"""`flask notifier up` in a host: what it says and decides before it starts anything, and what its processes find."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask.cli import FlaskGroup

from notifier.config.embedded import load_embedded_settings
from notifier.config.settings import Settings
from notifier.dev.datalock import data_lock
from notifier.dev.inside import addresses_found
from notifier.dev.plan import Ports
from notifier.dev.upenv import up_env
from tests.embedding.conftest import Host
from tests.embedding.test_commands import ROOT

Make = Callable[..., Host]

PORTS = Ports("127.0.0.1", 0, 8025, 1025, 2401)

INBOX = {"MAIL_SERVER": "127.0.0.1", "MAIL_PORT": "1025", "MAIL_USE_TLS": "0", "MAIL_USE_SSL": "0"}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLASK_APP", "FLASK_RUN_PORT", *(field.upper() for field in Settings.model_fields)):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"NOTIFIER_{name}", raising=False)


def load(data: Path, **config: object) -> Settings:
    return load_embedded_settings(config, database_url="sqlite:///host.db", mount="/mail", data_dir=data, testing=False)


def run(host: Host, *words: str) -> Result:
    return CliRunner().invoke(FlaskGroup(create_app=lambda: host.app), ["notifier", "up", *words])


def refusal(result: Result) -> str:
    assert result.exit_code == 1, result.output
    (line,) = result.output.splitlines()
    return line


def test_processes_of_the_host_find_a_running_up(tmp_path: Path) -> None:
    found = INBOX | {"REDIS_URL": "redis://127.0.0.1:7777/0", "PUBLIC_URL": "http://127.0.0.1:5001/mail"}
    with data_lock(tmp_path), up_env(tmp_path, found):
        settings = load(tmp_path)
    assert (settings.broker_url, settings.link_base) == (found["REDIS_URL"], found["PUBLIC_URL"])
    assert (settings.mail_server, settings.mail_port) == ("127.0.0.1", 1025)
    assert settings.home_url == "http://127.0.0.1:5001"


def test_what_is_set_wins_over_a_running_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:6379/0")
    with data_lock(tmp_path), up_env(tmp_path, INBOX | {"REDIS_URL": "redis://127.0.0.1:7777/0"}):
        settings = load(tmp_path, MAIL_SERVER="smtp.host.example", MAIL_USE_TLS=True)
    assert settings.broker_url == "redis://127.0.0.1:6379/0"
    assert (settings.mail_server, settings.mail_port, settings.mail_use_tls) == ("smtp.host.example", 1025, True)


def test_the_inbox_keeps_its_port_if_the_host_set_only_a_port_and_tls(tmp_path: Path) -> None:
    """`MAIL_PORT = int(os.environ.get("MAIL_PORT") or 25)` is in many configurations."""
    with data_lock(tmp_path), up_env(tmp_path, INBOX):
        settings = load(tmp_path, MAIL_SERVER=None, MAIL_PORT=587, MAIL_USE_TLS=True)
    assert (settings.mail_server, settings.mail_port, settings.mail_use_tls) == ("127.0.0.1", 1025, False)


@pytest.mark.parametrize("config", [{"NOTIFIER_ENV": "production"}, {"NOTIFIER_ENV": "test"}])
def test_only_development_finds_it(tmp_path: Path, config: dict[str, str]) -> None:
    more = {
        "NOTIFIER_SECRET_KEYS": "ab3Xk9_qLm2Vt7Rz0Wp5Yc8Nd1Fh6Gs4",
        "MAIL_DEFAULT_SENDER": "a@shop.org",
        "POSTAL_ADDRESS": "1 Road",
    }
    public = {"NOTIFIER_PUBLIC_URL": "https://shop.org/mail", "NOTIFIER_REDIS_URL": "redis://127.0.0.1/0"}
    with data_lock(tmp_path), up_env(tmp_path, {"MAIL_PORT": "2525", "MAIL_SERVER": "127.0.0.1"}):
        assert load(tmp_path, **config, **more, **public).mail_port == 1025


def test_what_a_killed_up_left_behind_is_not_believed(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path\n"
        "from notifier.dev.datalock import data_lock; from notifier.dev.upenv import up_env\n"
        "with data_lock(Path(sys.argv[1])), up_env(Path(sys.argv[1]), {'REDIS_URL': 'redis://127.0.0.1:7777/0'}):\n"
        "    os.kill(os.getpid(), signal.SIGKILL)"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], env=env, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "up.env").exists()
    assert load(tmp_path).broker_url == ""


def test_links_lead_to_the_port_of_the_development_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_RUN_PORT", "5001")
    settings = load(tmp_path)
    assert settings.link_base == "http://127.0.0.1:5001/mail"
    assert "PUBLIC_URL" not in addresses_found(settings, PORTS, None, with_inbox=True)
    chosen = addresses_found(settings, Ports("127.0.0.1", 5002, 8025, 1025, 2401), None, with_inbox=True)
    assert chosen["PUBLIC_URL"] == "http://127.0.0.1:5002/mail"


@pytest.fixture
def developed(make_host: Make, tmp_path: Path) -> Host:
    """A host on a developer's machine."""
    host = make_host()
    host.app.config["NOTIFIER_DATA_DIR"] = tmp_path / "data"
    host.start(mount="/mail")
    return host


def test_the_processes_must_find_the_application(developed: Host) -> None:
    assert "set FLASK_APP" in refusal(run(developed))


def test_a_second_up_is_refused(developed: Host, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLASK_APP", "shop")
    with data_lock(tmp_path / "data"):
        assert "`up` is already running" in refusal(run(developed))


def test_it_is_for_development_only(make_host: Make) -> None:
    host = make_host()
    host.app.testing = True
    host.start(mount="/mail")
    assert "`up` is for development, and NOTIFIER_ENV is test." in refusal(run(host))


def test_missing_tables_are_named_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_APP", "shop")
    host = Host(f"sqlite:///{tmp_path}/empty.db", tmp_path)
    host.app.config["NOTIFIER_DATA_DIR"] = tmp_path / "data"
    host.start(mount="/mail")
    assert "Tables of notifier are missing" in refusal(run(host))
    host.close()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (None, "Could not import 'app'"),
        ("from flask import Flask\napp = Flask('shop')\n", "the application shop has no notifier"),
        ("from flask import Flask\ndef create_app(name):\n    return Flask(name)\n", "without arguments"),
    ],
)
def test_a_worker_without_the_application_says_so_in_one_line(tmp_path: Path, source: str | None, says: str) -> None:
    if source is not None:
        (tmp_path / "app.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "notifier.hosting.worker", "worker"], cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FLASK_APP": "app.py"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert says in line
