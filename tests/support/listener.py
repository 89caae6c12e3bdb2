"""The listener on a free port, in a thread of the test, with real sockets."""

import asyncio
import smtplib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from flask import Flask

from notifier.dev.ports import free_port
from notifier.listener.server import THREADS, Listener
from notifier.services import services_of


class Listening:
    """A running listener."""

    def __init__(self, app: Flask, **settings: Any) -> None:
        services = services_of(app)
        self.port = free_port()
        self.settings = services.settings.model_copy(update={"bounce_listen_port": self.port, **settings})
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(app, services.intake)))

    async def _serve(self, app: Flask, intake: Any) -> None:
        self._loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(THREADS) as threads:
            listener = Listener(app, self.settings, intake, threads)
            await listener.start()
            self._ready.set()
            await self._stop.wait()
            await listener.stop()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(10)

    def ask_to_stop(self) -> None:
        """As SIGTERM does."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._stop.set)

    def wait(self) -> None:
        """Until it has stopped."""
        self._thread.join(20)
        assert not self._thread.is_alive()

    def client(self) -> smtplib.SMTP:
        """A client that has greeted."""
        kind = smtplib.LMTP if self.settings.bounce_listen_protocol == "lmtp" else smtplib.SMTP
        client = kind("127.0.0.1", self.port, timeout=10)
        client.ehlo_or_helo_if_needed()
        return client

    def socket(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection that has said nothing."""
        return socket.create_connection(("127.0.0.1", self.port), 10, source_address=(source, 0))


@contextmanager
def listening(app: Flask, **settings: Any) -> Iterator[Listening]:
    """A listener with these settings, until the end of the block."""
    running = Listening(app, **settings)
    running.start()
    try:
        yield running
    finally:
        running.ask_to_stop()
        running.wait()


def dialogue(client: smtplib.SMTP, data: bytes, *recipients: str, sender: str = "") -> list[tuple[int, str]]:
    """Send one email as LMTP does. Return the answers to its recipients, or those after the final dot."""
    client.ehlo_or_helo_if_needed()
    answers = [client.mail(sender)]
    answers += [client.rcpt(each) for each in recipients]
    refused = [(code, text.decode()) for code, text in answers if code >= 400]
    accepted = sum(code < 300 for code, _ in answers[1:])
    if not accepted:
        client.rset()
        return refused
    answers = [client.data(data)]
    if isinstance(client, smtplib.LMTP):
        answers += [client.getreply() for _ in range(accepted - 1)]
    return refused + [(code, text.decode()) for code, text in answers]
