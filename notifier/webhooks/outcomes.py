"""What follows from the answers of an endpoint: for each event, and for the endpoint itself."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from notifier.models import DeliveryState, WebhookDelivery, WebhookEndpoint
from notifier.webhooks.wire import Answer

#: The pause after each failed try of an event. After the last one it is tried once more: 10 tries in about 76 hours.
PAUSES = (
    timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2), timedelta(hours=5),
    timedelta(hours=10), timedelta(hours=14), timedelta(hours=20), timedelta(hours=24),
)  # fmt: skip
#: A pause is longer or shorter by this share, so that events that failed together are not tried together.
JITTER = 0.1
#: The longest Retry-After that is obeyed, for one event; and for all of the endpoint.
LONGEST_RETRY_AFTER, LONGEST_HOLD = timedelta(hours=24), timedelta(hours=1)

HOUR = timedelta(hours=1)

#: An endpoint without a success for this long, and with this many failed tries, is disabled.
DISABLED_AFTER, LEAST_FAILURES = timedelta(hours=48), 6

#: The pause of an endpoint that did not answer at all: it doubles from the first to the longest.
FIRST_HOLD, LONGEST_SILENCE = timedelta(seconds=5), timedelta(minutes=5)

GONE = 410
#: Statuses that ask to wait, whichever event was sent.
_BUSY = (429, 503)


class Called(NamedTuple):
    """One event that was sent, and the answer."""

    delivery: WebhookDelivery
    answer: Answer


def settle(delivery: WebhookDelivery, answer: Answer, now: datetime) -> None:
    """Store the end of a try in the row."""
    delivery.attempts += 1
    delivery.last_attempt_at, delivery.last_status = now, answer.status
    delivery.last_error = answer.error or None
    if answer.ok:
        delivery.state = DeliveryState.delivered.value
    elif delivery.attempts > len(PAUSES):
        delivery.state = DeliveryState.failed.value
    else:
        delivery.next_attempt_at = now + pause(delivery.attempts, answer.retry_after)


def pause(attempts: int, retry_after: float | None = None) -> timedelta:
    """Return the time until the next try after `attempts` (1 to 9) failed ones."""
    usual = PAUSES[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # no secret
    return max(usual, _bounded(retry_after, LONGEST_RETRY_AFTER))


def judge(endpoint: WebhookEndpoint, called: Sequence[Called], now: datetime) -> str | None:
    """Store in the endpoint what these answers say about it. Return why it must be disabled, or None.

    One success is enough: then the failures concern their events, not the endpoint.
    """
    answers = [each.answer for each in called]
    endpoint.next_call_at = now
    if any(answer.ok for answer in answers):
        endpoint.last_success_at, endpoint.failing_since, endpoint.failures = now, None, 0
    elif answers:
        endpoint.failing_since = endpoint.failing_since or now
        endpoint.failures += len(answers)
    held = [_hold(endpoint, answer) for answer in answers]
    endpoint.next_call_at += max(held, default=timedelta(0))
    if any(answer.status == GONE for answer in answers):
        return "it answered 410 Gone: it wants no more events"
    since = endpoint.failing_since
    if since is not None and now - since >= DISABLED_AFTER and endpoint.failures >= LEAST_FAILURES:
        return f"it took no event for {DISABLED_AFTER // HOUR} hours; the last try: {answers[-1].error}"
    return None


def _hold(endpoint: WebhookEndpoint, answer: Answer) -> timedelta:
    """Return how long the endpoint is left alone: one that does not answer holds a slot for seconds each time."""
    if answer.status is None:
        doublings = min(max(endpoint.failures, 1) - 1, 10)
        return min(FIRST_HOLD * int(2**doublings), LONGEST_SILENCE)
    return _bounded(answer.retry_after, LONGEST_HOLD) if answer.status in _BUSY else timedelta(0)


def _bounded(seconds: float | None, longest: timedelta) -> timedelta:
    return min(timedelta(seconds=min(seconds or 0.0, longest.total_seconds())), longest)
