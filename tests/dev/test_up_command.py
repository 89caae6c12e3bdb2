"""What `notifier up` says and decides before it starts anything."""

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from dotenv import dotenv_values

from notifier.cli.up import up
from notifier.config.loading import load_settings
from notifier.config.settings import Settings, UpSettings
from notifier.dev import stack
from notifier.dev.datalock import data_lock
from notifier.dev.plan import Ports
from notifier.dev.ports import PortTakenError, free_port, is_free
from notifier.dev.stack import UnreachableError, Wishes, choose_ports, own_broker, stack_env
from notifier.dev.upenv import up_env


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def call(data: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Result:
    """The command, on free ports unless told otherwise."""
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(data))  # the command sets it: have it restored
    free = ["--web-port", "0", "--inbox-port", "0", "--smtp-port", "0", "--bounce-port", "0"]
    return CliRunner().invoke(up, [*free, *arguments])


@pytest.mark.parametrize(
    ("flag", "what"),
    [("--web-port", "web"), ("--inbox-port", "inbox"), ("--smtp-port", "smtp"), ("--bounce-port", "bounces")],
)
def test_taken_port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int, flag: str, what: str) -> None:
    """One line with the port, what it is for, and a port that is free."""
    result = call(tmp_path, monkeypatch, flag, str(taken))
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    found = re.search(rf"Port {taken} \({what}\) on 127.0.0.1 is taken .* {flag} (\d+)$", line)
    assert found
    assert is_free("127.0.0.1", int(found.group(1)))


def test_second_up_on_the_same_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with data_lock(tmp_path):
        result = call(tmp_path, monkeypatch)
    assert result.exit_code == 1
    (line,) = result.output.splitlines()
    assert f"(process {os.getpid()})" in line
    assert "--data-dir" in line


def test_redis_url_that_nobody_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{port}/0")
    result = call(tmp_path, monkeypatch)
    assert result.exit_code == 1
    assert f"REDIS_URL: nothing answers at 127.0.0.1:{port}" in result.output


@pytest.mark.parametrize("name", ["MAIL_RATE", "MAIL_RATE_PER_DOMAIN"])
def test_up_starts_the_redis_that_a_limit_needs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int
) -> None:
    monkeypatch.setenv(name, "10")
    result = call(tmp_path, monkeypatch, "--web-port", str(taken))
    assert f"Port {taken} (web)" in result.output  # it comes as far as the ports
    settings = load_settings(UpSettings)
    broker = own_broker(settings, tmp_path)
    env = stack_env(settings, Ports("127.0.0.1", 1, 2, 3, 4), broker, with_inbox=False)
    assert env[name] == "10"
    assert env["REDIS_URL"].startswith("redis://")
    monkeypatch.setenv("CELERY_BROKER_URL", "amqp://127.0.0.1:1//")
    assert f"{name} needs REDIS_URL" in call(tmp_path, monkeypatch).output


def test_env_file_of_a_killed_up_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    """It names a broker that is gone."""
    (tmp_path / "up.env").write_text(f"REDIS_URL='redis://127.0.0.1:{free_port()}/0'\n")
    result = call(tmp_path, monkeypatch, "--web-port", str(taken))
    assert "REDIS_URL" not in result.output
    assert not (tmp_path / "up.env").exists()


def test_port_in_time_wait_is_free() -> None:
    """What a stopped `up` leaves behind for a minute does not count."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            server.accept()[0].close()  # the side that closes first gets TIME_WAIT
            assert client.recv(1) == b""
    assert is_free("127.0.0.1", port)


def test_own_broker_unless_one_is_named(tmp_path: Path, taken: int) -> None:
    broker = own_broker(Settings(), tmp_path)
    assert broker is not None
    assert broker.port != 6379
    assert own_broker(Settings(redis_url=f"redis://127.0.0.1:{taken}"), tmp_path) is None
    assert own_broker(Settings(celery_broker_url=f"amqp://guest:guest@127.0.0.1:{taken}//"), tmp_path) is None
    for scheme in ("redis", "amqp"):
        with pytest.raises(UnreachableError, match="CELERY_BROKER_URL: nothing answers"):
            own_broker(Settings(celery_broker_url=f"{scheme}://127.0.0.1:{free_port()}"), tmp_path)


def test_environment_of_the_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person set goes along; what they did not is found."""
    monkeypatch.setenv("SECRET_KEYS", "one,two")
    ports = choose_ports(Wishes(web_port=0, inbox_port=0, smtp_port=0, bounce_port=0), with_inbox=True)
    broker = own_broker(Settings(), tmp_path)
    assert broker is not None
    env = stack_env(Settings(), ports, broker, with_inbox=True)
    assert env["SECRET_KEYS"] == "one,two"
    assert env["REDIS_URL"] == broker.url
    assert env["PUBLIC_URL"] == f"http://127.0.0.1:{ports.web}"
    assert (env["MAIL_SERVER"], env["MAIL_PORT"]) == ("127.0.0.1", str(ports.smtp))
    assert env["DATABASE_URL"].startswith("sqlite:///")


def test_files_are_found_from_the_folders_of_the_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAIL_CA_FILE", "certificates/ca.pem")
    ports = choose_ports(Wishes(web_port=0, inbox_port=0, smtp_port=0, bounce_port=0), with_inbox=True)
    env = stack_env(Settings(), ports, None, with_inbox=True)
    assert env["MAIL_CA_FILE"] == str(tmp_path / "certificates" / "ca.pem")


def test_own_mail_server_needs_no_inbox(taken: int) -> None:
    ports = choose_ports(Wishes(web_port=0, inbox_port=taken, smtp_port=taken, bounce_port=taken), with_inbox=False)
    env = stack_env(Settings(public_url="http://dev.example"), ports, None, with_inbox=False)
    assert not {"MAIL_SERVER", "INBOX_URL", "REDIS_URL"} & set(env)
    assert env["PUBLIC_URL"] == "http://dev.example"


def test_every_address_is_reachable_from_here() -> None:
    ports = choose_ports(Wishes(host="0.0.0.0", web_port=0, inbox_port=0, smtp_port=0, bounce_port=0), with_inbox=True)
    assert ports.web_url == f"http://127.0.0.1:{ports.web}"


def test_port_zero_is_any_free_one() -> None:
    with pytest.raises(PortTakenError), socket.create_server(("127.0.0.1", 0)) as server:
        choose_ports(Wishes(web_port=server.getsockname()[1]), with_inbox=False)
    ports = choose_ports(Wishes(web_port=0, inbox_port=0, smtp_port=0, bounce_port=0), with_inbox=True)
    assert 0 not in {ports.web, ports.inbox, ports.smtp, ports.bounces}


def test_a_free_port_that_is_offered_twice_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may offer it again, as long as nobody listens there."""
    offers = iter([40_001, 40_001, 40_002, 40_001, 40_003, 40_004])
    monkeypatch.setattr(stack, "free_port", lambda host: next(offers))
    ports = choose_ports(Wishes(web_port=0, inbox_port=0, smtp_port=0, bounce_port=0), with_inbox=True)
    assert {ports.web, ports.inbox, ports.smtp, ports.bounces} == {40_001, 40_002, 40_003, 40_004}


def test_the_broker_takes_no_port_that_is_given_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offers = iter([40_001, 40_002, 40_003])
    monkeypatch.setattr(stack, "free_port", lambda host: next(offers))
    broker = own_broker(Settings(), tmp_path, (40_001, 40_002))
    assert broker is not None
    assert broker.port == 40_003


def test_env_file_is_private_and_exact(tmp_path: Path) -> None:
    values = {"A": "plain", "B": 'it\'s a \\ "quote" $HOME #x', "C": "two\nlines", "D": ""}
    with up_env(tmp_path, values):
        path = tmp_path / "up.env"
        assert path.stat().st_mode & 0o777 == 0o600
        assert dotenv_values(path, interpolate=False) == values
    assert list(tmp_path.iterdir()) == []
