"""kombu's connection, shown by the address of its server instead of the path of our transport's class.

Flower chooses by the address's scheme how it counts messages, and people read it in logs and in `celery inspect`.
"""

from typing import Any

from celery.app.amqp import AMQP
from kombu.connection import Connection

from notifier.tasks.broker_options import TRANSPORTS

#: The path of a transport of ours -> the scheme of its servers, without TLS and with it.
_SCHEMES = {
    path: (plain, tls)
    for plain, tls in (("redis", "rediss"), ("sentinel", "sentinel"), ("amqp", "amqps"))
    for path in (TRANSPORTS[plain], TRANSPORTS[tls])
}


class ShownConnection(Connection):
    """A connection whose address can be read."""

    def switch(self, conn_str: str) -> None:
        """Take the next address of a list. kombu itself would forget our transport."""
        transport = self.transport_cls
        super().switch(conn_str)
        self.transport_cls = transport

    def as_uri(self, *args: Any, **options: Any) -> str:
        """Return the address as kombu does, with the scheme of the server. The password is left out by default."""
        shown: str = super().as_uri(*args, **options)
        path, separator, rest = shown.partition("://")
        schemes = _SCHEMES.get(path)
        return shown if schemes is None else f"{schemes[bool(self.ssl)]}{separator}{rest}"


class OwnAMQP(AMQP):  # type: ignore[misc]  # Celery ships no types
    """What makes the connections of our Celery."""

    Connection = ShownConnection
