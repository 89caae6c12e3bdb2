"""Valkey, as `./run up` starts it. `TEST_REDIS_URL` names a server to use instead."""

import os

from notifier.dev.broker import Broker, find_server, is_ready
from notifier.testing.servers.process import Server


class ValkeyServer(Server):
    """A broker that speaks the Redis protocol."""

    def __init__(self, *, own: bool = False) -> None:
        """Prepare it. `own`: never use the server that TEST_REDIS_URL names."""
        super().__init__(None if own else os.environ.get("TEST_REDIS_URL"))

    @property
    def url(self) -> str:
        """Return the address for REDIS_URL."""
        return self.external or f"redis://127.0.0.1:{self.port}/0"

    def _argv(self, port: int) -> list[str]:
        return Broker(find_server(), self.home, port).argv

    def _ready(self, port: int) -> bool:
        return is_ready("127.0.0.1", port)
