"""Both kinds of broker as a test sees them, and messages as other programs put them into a queue."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import amqp
import redis

from notifier.testing.servers.rabbitmq import RabbitServer
from notifier.testing.servers.valkey import ValkeyServer


@dataclass(frozen=True)
class Raw:
    """One message: its body and its header."""

    body: bytes = b"[[1], {}, {}]"
    headers: Any = field(default_factory=dict)
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


def task(body: bytes | str, name: Any = "notifier.deliver_notification", **headers: Any) -> Raw:
    """Return a message with this body and a correct header, except for `headers`."""
    text = body if isinstance(body, bytes) else body.encode()
    return Raw(text, {"lang": "py", "task": name, "id": f"id-{len(text)}", "retries": 0} | headers)


def entry(**changes: Any) -> bytes:
    """Return a correct message as kombu stores it in Redis, except for `changes`.

    They are fields, or properties such as `delivery_tag`.
    """
    properties = {
        "body_encoding": "base64",
        "delivery_tag": "tag",
        "correlation_id": "id",
        "delivery_info": {"exchange": "notifier.bulk", "routing_key": "notifier.bulk"},
    }
    message = {
        "body": base64.b64encode(b"[[1], {}, {}]").decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": task("").headers,
    }
    own = {name: value for name, value in changes.items() if name in properties}
    return json.dumps(
        message | {"properties": properties | own} | {n: v for n, v in changes.items() if n not in own}
    ).encode()


class Broker(Protocol):
    """A broker, as a test handles it."""

    kind: str
    url: str

    def push(self, queue: str, message: Raw) -> None:
        """Put a message into a queue."""

    def length(self, queue: str) -> int:
        """Return how many messages wait in a queue."""

    def messages(self, queue: str) -> list[bytes]:
        """Return all that a queue holds, headers and bodies."""

    def everything(self) -> list[bytes]:
        """Return all else that the broker shows: names of keys, contents of lists."""

    def empty(self) -> None:
        """Delete all messages."""


class RedisBroker:
    """Redis, with messages as kombu stores them."""

    kind = "redis"

    def __init__(self, server: ValkeyServer) -> None:
        self.url = server.url
        self.client = redis.Redis.from_url(server.url)

    def push(self, queue: str, message: Raw) -> None:
        """Put a message into a queue."""
        properties = {
            "body_encoding": "base64",
            "delivery_tag": f"tag-{id(message)}-{queue}",
            "delivery_info": {"exchange": queue, "routing_key": queue},
        }
        envelope = {
            "body": base64.b64encode(message.body).decode(),
            "content-type": message.content_type,
            "content-encoding": message.content_encoding,
            "headers": message.headers,
            "properties": properties,
        }
        self.push_entry(queue, json.dumps(envelope).encode())

    def push_entry(self, queue: str, entry: bytes) -> None:
        """Put bytes into a queue, even if they are not a message."""
        self.client.lpush(queue, entry)

    def length(self, queue: str) -> int:
        """Return how many messages wait in a queue."""
        return int(self.client.llen(queue))

    def messages(self, queue: str) -> list[bytes]:
        """Return all that a queue holds, headers and bodies."""
        entries = cast("list[bytes]", self.client.lrange(queue, 0, -1))
        return entries + [base64.b64decode(json.loads(each)["body"]) for each in entries]

    def everything(self) -> list[bytes]:
        """Return the names of all keys, and the contents of all lists."""
        keys = list(self.client.scan_iter("*"))
        lists = [key for key in keys if self.client.type(key) == b"list"]
        return [*keys, *(each for key in lists for each in self.client.lrange(key, 0, -1))]

    def empty(self) -> None:
        """Delete all messages."""
        self.client.flushall()


class RabbitBroker:
    """RabbitMQ, with messages as py-amqp sends them."""

    kind = "rabbitmq"

    def __init__(self, server: RabbitServer) -> None:
        self.url = server.url
        self._server = server

    def push(self, queue: str, message: Raw) -> None:
        """Put a message into a queue that a worker has declared."""
        properties = {"content_type": message.content_type, "content_encoding": message.content_encoding}
        self.publish(queue, amqp.Message(message.body, application_headers=message.headers, **properties))

    def publish(self, queue: str, message: amqp.Message) -> None:
        """Put a message of py-amqp into a queue."""
        with self._server.connect() as connection, connection.channel() as channel:
            channel.basic_publish(message, routing_key=queue)

    def length(self, queue: str) -> int:
        """Return how many messages are ready in a queue."""
        with self._server.connect() as connection, connection.channel() as channel:
            return int(channel.queue_declare(queue, passive=True).message_count)

    def messages(self, queue: str) -> list[bytes]:
        """Return all that a queue holds, headers and bodies. They stay in it."""
        found = []
        with self._server.connect() as connection, connection.channel() as channel:
            while (message := channel.basic_get(queue)) is not None:
                found.append(repr(message.properties).encode() + message.body.encode())
        return found

    def everything(self) -> list[bytes]:
        """Return nothing: RabbitMQ shows no more than its queues."""
        return []

    def empty(self) -> None:
        """Delete all messages."""
        self._server.empty()
