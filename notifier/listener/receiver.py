"""What the listener does with recipients and emails. It answers after the commit, and never sends an email."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from typing import Any, TypeVar

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from notifier import clock
from notifier.bounces.reading import read
from notifier.database.transaction import transaction
from notifier.extensions import db
from notifier.feedback.events import of_email
from notifier.feedback.intake import Intake, NotYet
from notifier.listener.conversation import Conversation

log = structlog.get_logger(__name__)

R = TypeVar("R")

#: Recipients of one email. A bounce has one.
MAX_RECIPIENTS = 20

#: It is stored, or says nothing new.
STORED = "250 2.1.5 Ok"
NO_SUCH = "550 5.1.1 This is no return path of ours"
NOT_YET = "451 4.2.0 The email that came back is still being sent, try again later"
AWAY = "451 4.3.0 It could not be stored, try again later"
TOO_MANY = "452 4.5.3 Too many recipients, send the others later"


class Receiver:
    """The handler of all conversations of a listener."""

    def __init__(self, app: Flask, intake: Intake, plain: Collection[str], threads: Executor) -> None:
        """Accept return paths with a MAC of ours, and the addresses `plain`, in lower case, without one.

        Databases are used in `threads`, so that a slow one delays no other connection.
        """
        self._app = app
        self._intake = intake
        self._plain = frozenset(plain)
        self._threads = threads

    async def handle_EHLO(
        self, server: Conversation, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        """Announce what RFC 2033 asks for: PIPELINING (RFC 2920) and ENHANCEDSTATUSCODES (RFC 2034)."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", "250-ENHANCEDSTATUSCODES", responses[-1]]

    async def handle_RCPT(
        self, server: Conversation, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Accept what is ours; refuse all else, so that the client keeps it."""
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return TOO_MANY
        try:
            known = address.isascii() and (
                address.lower() in self._plain or await self._in_thread(self._knows, address)
            )
        except SQLAlchemyError as error:
            log.warning("listener.database_away", error=type(error).__name__)
            return AWAY
        if not known:
            server.unknown += 1
            log.info("listener.unknown_recipient", client=server.client)
            return NO_SUCH
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 Ok"

    async def take(self, data: bytes, recipients: Sequence[str]) -> list[str]:
        """Store the email for each recipient, and each in a transaction of its own. Return the answers."""
        return [await self._in_thread(self._take, data, recipient) for recipient in recipients]

    async def handle_exception(self, error: Exception) -> str:
        """Let the client try again. What went wrong is for the log alone."""
        log.error("listener.failed", exc_info=error)
        return AWAY

    async def _in_thread(self, function: Callable[..., R], *arguments: Any) -> R:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)

    def _knows(self, address: str) -> bool:
        with self._app.app_context():
            return self._intake.knows(db.session(), address)

    def _take(self, data: bytes, recipient: str) -> str:
        try:
            event = of_email(data, read(data, recipient), envelope_to=recipient, received_at=clock.now())
            with self._app.app_context(), transaction(db.session) as session:
                taken = self._intake.take(session, event)
        except NotYet:
            return NOT_YET
        except Exception as error:
            # A fault here must cost no email: the client keeps it and offers it again.
            log.exception("listener.not_stored", error=type(error).__name__)
            return AWAY
        log.info("listener.stored", new=taken.is_new, effect=taken.effect.value, notification=taken.notification_id)
        return STORED
