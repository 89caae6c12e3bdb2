"""Send events to one endpoint: one worker at a time for each, with a few calls side by side.

A task has a time, after which another one goes on, so endpoints share the slots of the workers. An endpoint that does
not answer is left alone for a while, and then tried with a single event.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from urllib.parse import SplitResult

import structlog
from sqlalchemy import CursorResult, exists, or_, select, text, update
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.transaction import transaction
from notifier.metrics import tally
from notifier.metrics.catalogue import WEBHOOK_DELIVERIES
from notifier.models import UNDELIVERED, DeliveryState, Event, WebhookDelivery, WebhookEndpoint
from notifier.security.sealing import SealError
from notifier.security.standard_webhooks import sign
from notifier.webhooks import feed, outcomes
from notifier.webhooks.addresses import BadUrl, checked_url
from notifier.webhooks.disabling import Disabling
from notifier.webhooks.endpoints import Endpoints
from notifier.webhooks.outcomes import Called
from notifier.webhooks.wire import Answer, Wire

log = structlog.get_logger(__name__)

#: Calls of one endpoint that are made side by side.
SIDE_BY_SIDE = 4
#: Events that are read, sent and stored together.
CHUNK = 20
#: Seconds after which a task stops, and another one goes on.
TASK_SECONDS = 30.0
#: How long an endpoint is one worker's: longer than a task with its last calls takes.
LEASE = timedelta(minutes=2)
#: Time before a call is enqueued again, whose message may be lost.
ENQUEUE_AGAIN_AFTER = timedelta(seconds=60)

_E, _D = WebhookEndpoint, WebhookDelivery
#: The exact condition of the partial index.
_WAITING = text(UNDELIVERED)
_QUIET = {"synchronize_session": False}


class _Due(NamedTuple):
    """One event to send, as plain values: other threads send it."""

    event_id: int
    message_id: str
    body: bytes


class Calling:
    """Find endpoints with events that are due, and send them."""

    def __init__(
        self,
        session: Callable[[], Session],
        endpoints: Endpoints,
        wire: Wire,
        disabling: Disabling,
        *,
        loopback: bool = False,
        task_seconds: float = TASK_SECONDS,
    ) -> None:
        """Send by `wire`, in short transactions of `session`. `loopback`: this machine may be called."""
        self._session = session
        self._endpoints = endpoints
        self._wire = wire
        self._disabling = disabling
        self._loopback = loopback
        self._task_seconds = task_seconds

    def due(self) -> list[int]:
        """Return the endpoints whose call must be enqueued now, and note that it is."""
        now = clock.now()
        waits = exists().where(_WAITING, _D.endpoint_id == _E.id, _D.next_attempt_at <= now)
        due = (_E.disabled_at.is_(None), _E.next_call_at <= now, or_(_E.busy_until.is_(None), _E.busy_until <= now))
        noted = update(_E).where(*due, waits).values(next_call_at=now + ENQUEUE_AGAIN_AFTER).returning(_E.id)
        with transaction(self._session) as session:
            return sorted(session.scalars(noted.execution_options(**_QUIET)))

    def run(self, pk: int) -> int:
        """Send what is due to this endpoint, for `task_seconds` at most. Return the number of events taken.

        Return 0 if another worker is at it, or if it is disabled or waits.
        """
        lease = self._take(pk)
        if lease is None:
            return 0
        until, taken, goes_on = time.monotonic() + self._task_seconds, 0, True
        try:
            while goes_on and time.monotonic() < until:
                number, goes_on = self._send_chunk(pk, lease)
                taken += number
        finally:
            self._release(pk, lease)
        log.info("webhooks.called", endpoint=pk, taken=taken)
        return taken

    def _take(self, pk: int) -> datetime | None:
        now = clock.now()
        free = (_E.id == pk, _E.disabled_at.is_(None), or_(_E.busy_until.is_(None), _E.busy_until <= now))
        with transaction(self._session) as session:
            taken = session.execute(update(_E).where(*free).values(busy_until=now + LEASE).execution_options(**_QUIET))
        return now + LEASE if cast("CursorResult[Any]", taken).rowcount else None

    def _release(self, pk: int, lease: datetime) -> None:
        with transaction(self._session) as session:
            ours = update(_E).where(_E.id == pk, _E.busy_until == lease)
            session.execute(ours.values(busy_until=None).execution_options(**_QUIET))

    def _send_chunk(self, pk: int, lease: datetime) -> tuple[int, bool]:
        """Send a few events side by side, and store the answers.

        Return how many were taken, and whether more may be due: not if the endpoint fails or asked us to wait.
        """
        with transaction(self._session) as session:
            endpoint = session.get(_E, pk, populate_existing=True)
            if endpoint is None or endpoint.busy_until != lease or endpoint.disabled_at is not None:
                return 0, False
            due = _due(session, endpoint)
            if not due:
                endpoint.next_call_at = clock.now()
                return 0, False
            try:
                url = checked_url(endpoint.url, loopback=self._loopback)
                secrets = self._endpoints.secrets_of(endpoint, clock.now())
            except (BadUrl, SealError) as error:
                self._disabling.disable(session, endpoint, f"it cannot be called: {error}")
                return 0, False
        answers = self._call(url, secrets, due)
        return sum(each.ok for each in answers.values()), self._store(pk, answers)

    def _call(self, url: SplitResult, secrets: Sequence[str], due: Sequence[_Due]) -> dict[int, Answer]:
        silent: list[int] = []

        def call(each: _Due) -> Answer | None:
            # A server that does not answer one event does not answer the next ones either.
            if silent:
                return None
            answer = post(self._wire, url, secrets, each.message_id, each.body)
            if answer.status is None:
                silent.append(each.event_id)
            return answer

        with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="webhook") as pool:
            answered = zip(due, pool.map(call, due), strict=True)
            return {each.event_id: answer for each, answer in answered if answer is not None}

    def _store(self, pk: int, answers: dict[int, Answer]) -> bool:
        """Store the answers. Return whether the endpoint may be called at once again."""
        now = clock.now()
        with transaction(self._session) as session:
            endpoint = session.get(_E, pk, with_for_update=True, populate_existing=True)
            if endpoint is None:
                return False  # It was removed meanwhile.
            mine = select(_D).where(_D.endpoint_id == pk, _D.event_id.in_(answers), _WAITING).with_for_update()
            called = [
                Called(row, answers[row.event_id])
                for row in session.scalars(mine.execution_options(populate_existing=True))
            ]
            for row, answer in called:
                outcomes.settle(row, answer, now)
            ends = Counter("retry" if row.state == DeliveryState.waiting else row.state for row, _ in called)
            for result, calls in sorted(ends.items()):
                tally(session, WEBHOOK_DELIVERIES, result, by=calls)
            why = outcomes.judge(endpoint, called, now)
            if why is not None:
                self._disabling.disable(session, endpoint, why)
            return endpoint.disabled_at is None and not endpoint.failures and endpoint.next_call_at <= now


def post(wire: Wire, url: SplitResult, secrets: Sequence[str], message_id: str, body: bytes) -> Answer:
    """Send one message now, signed with each of `secrets`."""
    timestamp = int(clock.now().timestamp())
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(sign(secret, message_id, timestamp, body) for secret in secrets),
    }
    return wire.post(url, headers, body)


def body_of(event: Event) -> bytes:
    """Return what is sent of an event. It is the same in every try."""
    return json.dumps(feed.payload(event), separators=(",", ":")).encode()


def _due(session: Session, endpoint: WebhookEndpoint) -> list[_Due]:
    """Return the first due events: a single one while the endpoint fails, as a probe.

    Deliveries of events that the purge has deleted are not among them; it deletes those, too.
    """
    limit = 1 if endpoint.failures else CHUNK
    query = (
        select(Event)
        .join(_D, _D.event_id == Event.id)
        .where(_WAITING, _D.endpoint_id == endpoint.id, _D.next_attempt_at <= clock.now())
        .order_by(_D.next_attempt_at, _D.event_id)
        .limit(limit)
    )
    return [_Due(event.id, feed.message_id(event), body_of(event)) for event in session.scalars(query)]
