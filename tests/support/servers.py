"""Real servers for tests: Valkey and Postgres from their wheels, on free loopback ports.

`TEST_REDIS_URL` and `TEST_DATABASE_URL` name servers of your own instead; those cannot be stopped or killed.
The kernel ends every server with the thread that started it, so a killed pytest leaves nothing behind.
"""

import os

from notifier.dev.broker import Broker, find_server, is_ready
from tests.support.postgres import PostgresServer
from tests.support.process import Server, ServerError

__all__ = ["PostgresServer", "Server", "ServerError", "ValkeyServer"]


class ValkeyServer(Server):
    """A broker as `./run up` starts it."""

    def __init__(self) -> None:
        super().__init__(os.environ.get("TEST_REDIS_URL"))

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return self.external or f"redis://127.0.0.1:{self.port}/0"

    def _argv(self, port: int) -> list[str]:
        return Broker(find_server(), self.home, port).argv

    def _ready(self, port: int) -> bool:
        return is_ready("127.0.0.1", port)
