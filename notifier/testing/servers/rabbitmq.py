"""A RabbitMQ node: Debian's rabbitmq-server, on loopback, with its data in a temporary folder."""

import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

import amqp

from notifier.dev.ports import free_port
from notifier.dev.process import die_with_parent
from notifier.testing.servers.process import UNPRIVILEGED, NotInstalled, Server, as_unprivileged

#: The script of Debian's package; the one in /usr/sbin works for the system's node only.
SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")

#: Those of notifier.
QUEUES = ("notifier.transactional", "notifier.bulk", "notifier.expansion", "notifier.control", "notifier.webhooks")


def find() -> Path:
    """Return the path of RabbitMQ's script. Raise NotInstalled without it or Erlang's port mapper."""
    if not SCRIPT.exists() or shutil.which("epmd") is None:
        raise NotInstalled("RabbitMQ is missing. Debian: apt-get install --no-install-recommends rabbitmq-server")
    return SCRIPT


class RabbitServer(Server):
    """Erlang's port mapper (epmd) and one node."""

    #: It would start as root, but its files would be root's.
    drops_root = True
    #: Erlang starts within four seconds on an idle machine.
    start_seconds = 50.0

    def __init__(self) -> None:
        super().__init__()
        self._epmd: subprocess.Popen[bytes] | None = None
        self._epmd_port = 0
        self._node_port = 0

    @property
    def url(self) -> str:
        """Return the address for CELERY_BROKER_URL."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        """Start the port mapper, then the node. Raise NotInstalled without RabbitMQ."""
        if self._epmd is None:
            find()
            self._epmd_port, self._node_port = free_port(), free_port()
            self._epmd = subprocess.Popen(
                ["epmd", "-port", str(self._epmd_port), "-address", "127.0.0.1"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                start_new_session=True, preexec_fn=die_with_parent, **as_unprivileged(),
            )  # fmt: skip
        super().start()

    def stop(self, timeout: float = 20) -> None:
        """Stop both and remove their data."""
        super().stop(timeout)
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait(10)
            self._epmd = None

    def connect(self) -> amqp.Connection:
        """Open a connection; the caller closes it."""
        connection = amqp.Connection(f"127.0.0.1:{self.port}", connect_timeout=2)
        connection.connect()
        return connection

    def empty(self) -> None:
        """Purge all queues, and delete that of the rejected messages.

        The queues stay: connected publishers remember that they declared them.
        """
        with self.connect() as connection:
            for name in QUEUES:
                with connection.channel() as channel, suppress(amqp.NotFound):
                    channel.queue_purge(name)
            with connection.channel() as channel:
                channel.queue_delete("notifier.rejected")

    def _argv(self, port: int) -> list[str]:
        home = self.home
        if os.geteuid() == 0:
            os.chown(home, UNPRIVILEGED, UNPRIVILEGED)
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
            # Not those of the system's node.
            "RABBITMQ_CONFIG_FILE": home / "none",
            "RABBITMQ_ADVANCED_CONFIG_FILE": home / "none.config",
            "RABBITMQ_CONF_ENV_FILE": home / "none.sh",
            # The script replaces itself by the node, which is then the process that we end.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -noinput "
            "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        return ["env", *(f"{name}={value}" for name, value in values.items()), str(find())]

    def _ready(self, port: int) -> bool:
        with suppress(OSError, amqp.AMQPError):
            connection = amqp.Connection(f"127.0.0.1:{port}", connect_timeout=1)
            connection.connect()
            connection.close()
            return True
        return False
