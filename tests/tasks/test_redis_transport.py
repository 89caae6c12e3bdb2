"""A channel whose server is gone: it closes without an error, and what it held goes back into its queue."""

from collections.abc import Iterator

import pytest
from kombu import Connection, Consumer
from kombu.entity import Exchange, Queue

from tests.support.servers import ValkeyServer

TRANSPORT = "notifier.tasks.redis_transport:Transport"
QUEUE = Queue("bulk", Exchange("bulk"), routing_key="bulk")

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


@pytest.fixture
def own_valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    server.external = None
    with server:
        yield server


def connect(server: ValkeyServer) -> Connection:
    options = {"socket_connect_timeout": 0.5, "socket_timeout": 2, "max_retries": 0}
    return Connection(server.url, transport=TRANSPORT, transport_options=options)


def test_what_a_lost_connection_held_goes_back_into_its_queue(own_valkey: ValkeyServer) -> None:
    lost = connect(own_valkey)
    lost.Producer().publish({"a": 1}, exchange=QUEUE.exchange, routing_key="bulk", declare=[QUEUE])
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
        assert channel.client.llen("bulk") == 0
        channel.give_back()
        assert channel.client.llen("bulk") == 1
        channel.give_back()
        assert channel.client.llen("bulk") == 1
