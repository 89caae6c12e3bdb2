"""Listen until a signal, then stop in order."""

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor

from flask import Flask

from notifier.config.settings import Settings
from notifier.feedback.intake import Intake
from notifier.listener.admission import Admission
from notifier.listener.conversation import Conversation, Limits, LmtpConversation, SmtpConversation
from notifier.listener.receiver import Receiver
from notifier.mail.return_path import ReturnPath

#: Emails that are read and stored at once; reading is work of the processor, and each has a connection of the pool.
THREADS = 4
#: Seconds between two looks at what is still open.
_TICK = 0.05

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def plain_addresses(settings: Settings) -> set[str]:
    """Return the addresses that are accepted without an id of ours, in lower case."""
    return_path = ReturnPath(settings.bounce_address)
    plain = {*settings.bounce_listen_addresses, settings.mail_cfbl_address or ""}
    if return_path.form == "fixed":
        plain.add(return_path.mailbox)
    return {each.lower() for each in plain if each}


class Listener:
    """Accept emails that come back. Belongs to the event loop that it is started in."""

    def __init__(self, app: Flask, settings: Settings, intake: Intake, threads: Executor) -> None:
        """Listen as the settings say. `threads`: where emails are read and stored."""
        self._settings = settings
        self._receiver = Receiver(app, intake, plain_addresses(settings), threads)
        self._admission = Admission(
            settings.bounce_listen_networks,
            most=settings.bounce_listen_connections,
            most_per_client=settings.bounce_listen_connections_per_client,
        )
        self._limits = Limits(settings.bounce_listen_max_size, settings.bounce_listen_session)
        self._everyone: set[Conversation] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Begin to listen. Raise OSError if the address cannot be used."""
        settings = self._settings
        # It logs commands with their addresses.
        logging.getLogger("mail.log").setLevel(logging.ERROR)
        protocol = LmtpConversation if settings.bounce_listen_protocol == "lmtp" else SmtpConversation
        self._server = await asyncio.get_running_loop().create_server(
            lambda: protocol(self._receiver, self._limits, self._admission, self._everyone, settings.host),
            settings.bounce_listen_host,
            settings.bounce_listen_port,
        )

    async def stop(self) -> None:
        """Stop in order, within STOP_GRACE: emails on their way are stored and answered, all else is closed.

        What is left then is cut off. What a thread is storing is stored all the same.
        """
        if self._server is not None:
            self._server.close()
        for each in list(self._everyone):
            each.stop()
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.stop_grace
        while self._everyone and loop.time() < until:
            await asyncio.sleep(_TICK)
        for each in list(self._everyone):
            each.cut()


async def listen(app: Flask, settings: Settings, intake: Intake, on_ready: Callable[[], None]) -> None:
    """Accept emails that come back until SIGTERM or SIGINT. Raise OSError if the address cannot be used."""
    stop = asyncio.Event()
    with ThreadPoolExecutor(THREADS, "listener") as threads:
        listener = Listener(app, settings, intake, threads)
        await listener.start()
        for each in STOP_SIGNALS:
            asyncio.get_running_loop().add_signal_handler(each, stop.set)
        on_ready()
        await stop.wait()
        await listener.stop()
