"""A RabbitMQ node of our own: Debian's rabbitmq-server, on loopback, with all that it keeps in a temporary folder."""

import os
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import amqp
import pytest

from notifier.dev.ports import free_port
from notifier.dev.process import die_with_parent
from tests.support.process import Server, drop_root

#: Debian's package puts the script there; the one in /usr/sbin works for the system's node only.
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

HOW = "NOT RUN: no RabbitMQ was found. Debian: apt-get install --no-install-recommends rabbitmq-server"


def need() -> None:
    """Without RabbitMQ the test is not run, loudly, or fails under REQUIRE_RABBITMQ=1."""
    if SERVER.exists() and shutil.which("epmd") is not None:
        return
    if os.environ.get("REQUIRE_RABBITMQ") == "1":
        pytest.fail(HOW)
    pytest.skip(HOW)


class RabbitServer(Server):
    """Erlang's port mapper (epmd) and one node. Started, killed and restarted as the other servers of the tests.

    `restart_in_order` is what a package upgrade does; `restart` is kill -9.
    """

    #: It refuses nothing as root, but its files would be root's.
    needs_nobody = True
    #: Erlang starts in four seconds on a quiet machine.
    start_seconds = 50.0

    def __init__(self) -> None:
        super().__init__(None)
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port = 0
        self._node_port = 0

    @property
    def url(self) -> str:
        """The address for Celery."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start the port mapper, then the node."""
        if self._epmd is None:
            self._epmd_port, self._node_port = free_port(), free_port()
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=die_with_parent, **drop_root(True),
            )  # fmt: skip
        super().start()

    def stop(self, timeout: float = 20) -> None:
        """Stop both and remove their data."""
        super().stop(timeout)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(10)
            self._epmd = None

    def restart_in_order(self) -> None:
        """Stop it as a package upgrade does, and start it on the same port with the same data."""
        self._end(signal.SIGTERM, 20)
        self.start()

    def connect(self) -> amqp.Connection:
        """Open a connection; the caller closes it."""
        connection = amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2)
        connection.connect()
        return connection

    def empty(self) -> None:
        """Take all messages out of the queues; forget the rejected ones, and how many of them are kept.

        The queues stay: publishers remember for as long as they are connected that they made them.
        """
        with self.connect() as connection:
            for name in ("transactional", "bulk", "expansion", "control"):
                with connection.channel() as channel, suppress(amqp.NotFound):
                    channel.queue_purge(name)
            with connection.channel() as channel:
                channel.queue_delete("rejected")

    def _argv(self, port: int) -> list[str]:
        home = self.home
        if os.geteuid() == 0:
            shutil.chown(home, user=65534, group=65534)
        (home / "plugins").write_text("[].\n")
        values = {
            "HOME": home,
            "ERL_EPMD_PORT": self._epmd_port,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"notifier{self._node_port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": port,
            "RABBITMQ_DIST_PORT": self._node_port,
            "RABBITMQ_MNESIA_BASE": home / "data",
            "RABBITMQ_LOG_BASE": home / "logs",
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": home / "pid",
            "RABBITMQ_ENABLED_PLUGINS_FILE": home / "plugins",
            # None of the system's node.
            "RABBITMQ_CONFIG_FILE": home / "none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": home / "none.config",
            "RABBITMQ_CONF_ENV_FILE": home / "none.sh",
            # The script makes way for the node, which then is the process that we end.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -noinput "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return ["env", *(f"{name}={value}" for name, value in values.items()), str(SERVER)]

    def _ready(self, port: int) -> bool:
        with suppress(OSError, amqp.AMQPError):
            connection = amqp.Connection(f"127.0.0.1:{port}", connect_timeout=1)
            connection.connect()
            connection.close()
            return True
        return False
