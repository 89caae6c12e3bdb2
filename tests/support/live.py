"""A real worker in this process, on a real broker, with a ledger that a test can fill, look at and empty.

    with Live(app) as live:
        live.speak_with(server)
        (row,) = live.deliver(live.owe("ada@example.com"))
        assert row.status == "sent"

All parts are the application's own; only the address and the patience of its mail server change between tests.
"""

import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from celery import signals
from celery.contrib.testing.worker import start_worker
from flask import Flask
from sqlalchemy import delete, insert, select, update

from notifier import clock
from notifier.emails import Category, EmailKind, Owed
from notifier.extensions import db
from notifier.models import Attempt, Notification, PaceState, ProviderHold, Suppression, TransportState, User
from notifier.services import services_of
from notifier.smtp.connection_count import ConnectionCount
from notifier.smtp.outcome import Phase
from notifier.smtp.session import Endpoint
from notifier.smtp.transport import Transport
from notifier.tasks.queues import BULK, CONTROL, TRANSACTIONAL
from notifier.testing.smtp_server import SmtpServer
from tests.support.services import job

#: Seconds until a test gives up on a worker.
PATIENCE = 30.0


class Letter(EmailKind):
    """A mail that says what its row says: `text`, so many `times`."""

    name = "letter"
    category = Category.account
    lifetime = timedelta(hours=24)
    because = "You're receiving this because a test wants you to."

    def unwanted(self, owed: Owed) -> str | None:
        """Always wanted."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """The text."""
        params = owed.notification.params
        return {"text": params.get("text", "Hello.\n") * params.get("times", 1)}


LETTERS: Mapping[str, EmailKind] = {Letter.name: Letter()}


def letter_templates(folder: Path) -> Path:
    """Write the templates of `Letter` into `folder`."""
    kind = folder / "emails" / Letter.name
    kind.mkdir(parents=True)
    (kind / "subject.txt").write_text("A letter")
    (kind / "body.txt").write_text("{{ text }}")
    (kind / "body.html").write_text("<p>A letter</p>")
    return folder


class Live:
    """The worker of `app`; a context manager. Messages go by its `smtp` transport."""

    def __init__(self, app: Flask, *, threads: int = 4) -> None:
        """`app` sends LETTERS. Nothing that the breaker and the pace read is remembered beyond a moment."""
        self.app = app
        self.transport = services_of(app).transports.primary
        self._settings = services_of(app).settings
        gate = services_of(app).sender.gate
        # Tests empty the tables behind their backs: every look must be at the rows.
        gate._breaker._fresh = gate._pace._fresh = gate._routes._holds._fresh = 0
        self._threads = threads
        self._numbers = count(1)
        #: Ids of tasks that were published, and of those that have run.
        self._sent: set[str] = set()
        self._done: set[str] = set()
        self._failed: list[str] = []
        self._changed = threading.Condition()
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        signals.before_task_publish.connect(self._published)
        signals.task_postrun.connect(self._ran)
        self._exit.callback(signals.before_task_publish.disconnect, self._published)
        self._exit.callback(signals.task_postrun.disconnect, self._ran)
        self._exit.enter_context(
            start_worker(
                services_of(self.app).celery,
                pool="threads",
                concurrency=self._threads,
                queues=[TRANSACTIONAL, BULK, CONTROL],
                perform_ping_check=False,
                shutdown_timeout=20,
            )
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # --- the mail server ---------------------------------------------------------------------------

    def speak_with(
        self,
        server: SmtpServer,
        *,
        timeouts: Mapping[Phase, float] | None = None,
        total: float = 30.0,
        connections: int = 10,
        max_emails: int = 1000,
        transport: Transport | None = None,
        **settings: Any,
    ) -> None:
        """From now on mail goes to `server`. `settings`: MAIL_*; `timeouts`: those that must be short.

        `transport`: another one than `smtp`.
        """
        transport = transport or self.transport
        transport.close()
        values = {"mail_server": server.host, "mail_port": server.port} | settings
        endpoint = Endpoint.from_settings(self._settings.model_copy(update=values))
        patient = dict.fromkeys(Phase, 10.0) | {Phase.QUIT: 1.0}
        transport.endpoint = replace(endpoint, timeouts=patient | dict(timeouts or {}), total=total)
        transport.count = ConnectionCount(connections)
        transport._max_emails = max_emails

    # --- the ledger --------------------------------------------------------------------------------

    def forget(self) -> None:
        """Empty the ledger, and all that was learnt of mail servers."""
        self.transport.close()
        with self.app.app_context():
            for table in (Attempt, Notification, Suppression, TransportState, ProviderHold, PaceState, User):
                db.session.execute(delete(table))
            db.session.commit()
        # While one thread looks at the rows anew, the others would go by what it has seen before.
        gate = services_of(self.app).sender.gate
        gate._pace._rows, gate._routes._holds._held = {}, {}

    def owe(self, *recipients: str, **values: Any) -> list[int]:
        """Rows that are due, one for each recipient; nobody rings for them. `values`: columns of all."""
        now = clock.now()
        people = [{"email": address, "identity_key": address.lower()} for address in recipients]
        with self.app.app_context():
            ids = db.session.scalars(insert(User).returning(User.id, sort_by_parameter_order=True), people).all()
            rows = [
                {
                    "kind": Letter.name,
                    "user_id": user,
                    "recipient": address,
                    "dedupe_key": f"letter:{next(self._numbers)}",
                    "next_attempt_at": now,
                    "enqueue_at": now,
                    "deadline": now + timedelta(hours=24),
                }
                | values
                for user, address in zip(ids, recipients, strict=True)
            ]
            made = insert(Notification).returning(Notification.id, sort_by_parameter_order=True)
            pks = db.session.scalars(made, rows).all()
            db.session.commit()
        return list(pks)

    def make_due(self, *, forget_holds: bool = True) -> None:
        """Let the time pass that the waiting rows wait for."""
        with self.app.app_context():
            waiting = update(Notification).where(Notification.status == "pending")
            db.session.execute(waiting.values(next_attempt_at=clock.now(), enqueue_at=clock.now()))
            for pause in (PaceState, TransportState, ProviderHold) if forget_holds else ():
                db.session.execute(delete(pause))
            db.session.commit()

    def rows(self) -> list[Notification]:
        """The whole ledger, in order."""
        return self._all(select(Notification).order_by(Notification.id))

    def attempts(self) -> list[Attempt]:
        """The tries that did not simply succeed, in order."""
        return self._all(select(Attempt).order_by(Attempt.id))

    def suppressions(self) -> list[Suppression]:
        """The addresses that get no more mail."""
        return self._all(select(Suppression).order_by(Suppression.identity_key))

    def held(self) -> list[TransportState]:
        """The transports that are held."""
        return self._all(select(TransportState).where(TransportState.held_since.is_not(None)))

    def held_providers(self) -> list[ProviderHold]:
        """The providers that are held."""
        return self._all(select(ProviderHold).order_by(ProviderHold.key))

    def paused(self) -> dict[str, datetime]:
        """What has been asked to slow down, and until when."""
        return {pace.key: pace.until for pace in self._all(select(PaceState))}

    def _all(self, query: Any) -> list[Any]:
        with self.app.app_context():
            return list(db.session.scalars(query))

    # --- the worker --------------------------------------------------------------------------------

    def deliver(self, pks: Sequence[int], *, batch: int = 1000) -> list[Notification]:
        """Let the worker try these rows once each, as bulk mail goes. All rows, as they are then."""
        for start in range(0, len(pks), batch):
            job(self.app, "deliver_batch").apply_async((list(pks[start : start + batch]),), queue=BULK)
        self.wait()
        return self.rows()

    def deliver_alone(self, pks: Iterable[int]) -> list[Notification]:
        """Let the worker try these rows once each, every one in a task of its own. All rows, as they are then.

        The quick tries of a task (three, seconds apart) are used up: the try is the last one, for which the row
        itself says when to go on.
        """
        alone = job(self.app, "deliver_notification")
        for pk in pks:
            alone.apply_async((pk,), retries=alone.max_retries)
        self.wait()
        return self.rows()

    def sweep(self) -> None:
        """One sweep, and all that it rings for."""
        job(self.app, "sweep").apply_async()
        self.wait()

    def wait(self) -> None:
        """Until every task that was published has run. Fails where one of them raised."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._sent <= self._done, PATIENCE), "the worker is still busy"
            failed, self._failed = self._failed, []
        assert not failed, failed

    def _published(self, headers: dict[str, Any], **_: Any) -> None:
        with self._changed:
            self._sent.add(headers["id"])

    def _ran(self, task_id: str, state: str | None = None, retval: Any = None, **_: Any) -> None:
        with self._changed:
            self._done.add(task_id)
            if state == "FAILURE":
                self._failed.append(repr(retval))
            self._changed.notify_all()
