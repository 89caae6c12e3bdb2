"""A channel whose server is gone: it closes without an error, and what it held goes back into its queue."""

import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from kombu import Connection, Consumer
from kombu.entity import Exchange, Queue
from kombu.exceptions import OperationalError

from notifier.tasks.celery_app import make_celery
from notifier.testing.servers.valkey import ValkeyServer
from tests.support.applications import make_settings

TRANSPORT = "notifier.tasks.redis_transport:Transport"
QUEUE = Queue("notifier.bulk", Exchange("notifier.bulk"), routing_key="notifier.bulk")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer(own=True)
    with server:
        yield server


def connect(server: ValkeyServer) -> Connection:
    options = {"socket_connect_timeout": 0.5, "socket_timeout": 2, "max_retries": 0}
    return Connection(server.url, transport=TRANSPORT, transport_options=options)


def test_what_a_lost_connection_held_goes_back_into_its_queue(own_valkey: ValkeyServer) -> None:
    lost = connect(own_valkey)
    lost.Producer().publish({"a": 1}, exchange=QUEUE.exchange, routing_key="notifier.bulk", declare=[QUEUE])
    held: list[object] = []
    with Consumer(lost, [QUEUE], callbacks=[lambda body, message: held.append(body)], accept=["json"]):
        lost.drain_events(timeout=2)
        assert held == [{"a": 1}]
        own_valkey.kill()
        # As Celery's consumer closes a connection that it lost: twice, and the second time its address is forgotten.
        channel = lost.default_channel
        lost.collect()
        channel.close()
        lost.close()
    own_valkey.start()
    with connect(own_valkey) as back, back.channel() as channel:
        assert channel.client.llen("notifier.bulk") == 0
        channel.give_back()
        assert channel.client.llen("notifier.bulk") == 1
        channel.give_back()
        assert channel.client.llen("notifier.bulk") == 1


@pytest.mark.parametrize("options", ["", "?ssl_cert_reqs=required"])
def test_nothing_is_said_in_clear_to_a_broker_with_tls(options: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, ThreadPoolExecutor(1) as pool:
        server.settimeout(5)
        url = f"rediss://:hush@127.0.0.1:{server.getsockname()[1]}/0{options}"
        celery = make_celery(Flask(__name__), make_settings(redis_url=url))
        first = pool.submit(first_bytes, server)
        connection = celery.connection_for_write(transport_options={"socket_timeout": 1, "max_retries": 0})
        with pytest.raises(OperationalError):
            connection.default_channel.client.ping()
        assert first.result()[:2] == b"\x16\x03"  # a ClientHello (RFC 8446, section 5.1)
        assert connection.ssl["ssl_cert_reqs"] == ssl.CERT_REQUIRED


def first_bytes(server: socket.socket) -> bytes:
    """What the first client says first."""
    connection, _ = server.accept()
    with connection:
        connection.settimeout(5)
        return connection.recv(100)
