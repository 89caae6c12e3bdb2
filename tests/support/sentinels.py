"""A Redis with a replica and Sentinels that watch both: real processes, Debian's redis-sentinel."""

import shutil
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import redis

from notifier.dev.broker import Broker, find_server
from notifier.dev.ports import answers, free_port
from notifier.testing.servers.process import NotInstalled, Server
from notifier.testing.servers.valkey import ValkeyServer

#: What the Sentinels call it.
NAME = "mymaster"

PASSWORD = "open/sesame"


def find() -> str:
    """Return the path of the program. Raise NotInstalled without it."""
    found = shutil.which("redis-sentinel")
    if found is None:
        raise NotInstalled("redis-sentinel is missing. Debian: apt-get install --no-install-recommends redis-sentinel")
    return found


class Watched(ValkeyServer):
    """A server with a password, the replica of another one if it is given."""

    def __init__(self, of: "Watched | None" = None) -> None:
        super().__init__(own=True)
        self._of = of

    def replicas(self) -> list[str]:
        """The replicas that are in step with it."""
        with redis.Redis(port=self.port, password=PASSWORD) as client:
            found: dict[str, Any] = client.info("replication")  # type: ignore[assignment]
        return [name for name, each in found.items() if isinstance(each, dict) and each.get("state") == "online"]

    def _argv(self, port: int) -> list[str]:
        broker = Broker(find_server(), self.home, port, password=PASSWORD)
        replica = ["--replicaof", "127.0.0.1", str(self._of.port)] if self._of else []
        return [*broker.argv, "--masterauth", PASSWORD, *replica]

    def _ready(self, port: int) -> bool:
        return answers("127.0.0.1", port)


class SentinelServer(Server):
    """One Sentinel."""

    def __init__(self, watched: Watched, quorum: int) -> None:
        super().__init__()
        self._watched, self._quorum = watched, quorum

    def _argv(self, port: int) -> list[str]:
        config = self.home / "sentinel.conf"
        config.write_text(
            f"bind 127.0.0.1\nport {port}\ndir {self.home}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {self._watched.port} {self._quorum}\n"
            f"sentinel auth-pass {NAME} {PASSWORD}\n"
            f"sentinel down-after-milliseconds {NAME} 500\nsentinel failover-timeout {NAME} 2000\n"
        )
        return [find(), str(config)]


class Family:
    """The servers, from first to last; entering it starts them."""

    def __init__(self) -> None:
        self.first = Watched()
        self.second = Watched(of=self.first)
        self.sentinels = [SentinelServer(self.first, quorum=2) for _ in range(3)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        for server in (self.first, self.second, *self.sentinels):
            self._stack.enter_context(server)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def url(self) -> str:
        """The address for REDIS_URL. Nothing answers at the first one."""
        nobody, *ports = free_port(), *(each.port for each in self.sentinels)
        first = f"sentinel://:{PASSWORD.replace('/', '%2F')}@127.0.0.1:{nobody}/0"
        return ";".join([first, *(f"sentinel://127.0.0.1:{port}" for port in ports)]) + f"?master_name={NAME}"
