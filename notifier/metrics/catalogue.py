"""Every metric: its name, what it means, its labels. docs/metrics.md describes the same for people.

No label holds an address, a name of a person or a domain: values are closed lists, kinds, and names that operators gave
to transports and campaigns.
"""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from notifier.mail import providers
from notifier.models import OnUnknown

PREFIX: Final = "notifier_"

#: All domains of no known provider, and emails whose provider is not known.
OTHER: Final = "other"


class MetricKind(enum.StrEnum):
    """How a metric is read."""

    counter = "counter"
    gauge = "gauge"
    histogram = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    #: Without the prefix.
    name: str
    kind: MetricKind
    #: One sentence or two.
    help: str
    labels: tuple[str, ...] = ()
    #: Upper bounds in seconds, ascending, of a histogram; +Inf follows by itself.
    buckets: tuple[float, ...] = ()
    #: Values of labels that are shown from the beginning, with 0: a rate needs the zero before the first one.
    known: tuple[tuple[str, ...], ...] = ()


def _counter(name: str, text: str, *labels: str, known: Iterable[str] = ()) -> Metric:
    return Metric(name, MetricKind.counter, text, labels, known=tuple((each,) for each in known))


def _gauge(name: str, text: str, *labels: str) -> Metric:
    return Metric(name, MetricKind.gauge, text, labels)


def _histogram(name: str, text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name, MetricKind.histogram, f"{text} {_IN_MEMORY}", labels, buckets)


_IN_MEMORY = "Each process writes its own down every 10 s: a killed one loses what it had not written."
_EXACT = "Counted by the database in the transaction of the change: equals the ledger, also after kill -9."
_SAME_TRANSACTION = "Counted in the transaction of the change."

NOTIFICATIONS = _counter("notifications_total", f"Emails that came to rest, by status. {_EXACT}", "kind", "to")
ENQUEUED = _counter(
    "enqueued_total", f"Rows added to the ledger, by their first status. {_EXACT}", "result",
    known=("queued", "skipped", "suppressed"),
)  # fmt: skip
UNKNOWN = _counter(
    "unknown_total", f"Attempts with an uncertain end, by the policy of the email. {_EXACT}", "policy",
    known=OnUnknown,
)  # fmt: skip
BOUNCES = _counter(
    "bounces_total", f"Emails that came back, and permanent refusals. {_SAME_TRANSACTION}", "source", "class"
)
COMPLAINTS = _counter(
    "complaints_total", f"Emails reported as spam. {_SAME_TRANSACTION}", "provider",
    known=(*providers.PROVIDERS, OTHER),
)  # fmt: skip
UNSUBSCRIBES = _counter("unsubscribes_total", f"Categories that people stopped. {_SAME_TRANSACTION}", "how")
WEBHOOK_DELIVERIES = _counter(
    "webhook_deliveries_total", f"Calls of webhook endpoints. {_SAME_TRANSACTION}", "result",
    known=("delivered", "retry", "failed"),
)  # fmt: skip
SMTP_REPLIES = _counter(
    "smtp_replies_total",
    f"Ends of attempts, by the phase that decided and the class of the reply. {_IN_MEMORY}",
    "transport", "phase", "class", "provider",
)  # fmt: skip
CLAIMS = _counter("claims_total", f"Keys that a worker tried to claim. {_IN_MEMORY}", "result", known=("won", "missed"))
API_REQUESTS = _counter("api_requests_total", f"Requests to the HTTP API. {_IN_MEMORY}", "operation", "status")

DUE = _gauge("due", "Emails that are due and not sent. Above 50,000 the planner's estimate, on Postgres.", "queue")
OLDEST_DUE = _gauge("oldest_due_seconds", "Seconds since the oldest due email fell due; 0 if none is due.", "queue")
LEASES = _gauge("leases", "Emails that workers hold at this moment.")
LEASE_OVERDUE = _gauge("lease_overdue", "Emails whose worker did not renew its lease.")
UNKNOWN_OPEN = _gauge("unknown_open", "Emails whose delivery is uncertain and that wait for a decision.")
HELD = _gauge(
    "held", "What sends nothing at present: transports, providers, paused runs, all after a restore.", "scope", "reason"
)
BEAT_AGE = _gauge("beat_age_seconds", "Seconds since the tick that beat triggers ran; +Inf if it never did.")
SWEEP_AGE = _gauge("sweep_age_seconds", "Seconds since the sweep ran; +Inf if it never did.")
NEXT_RUN = _gauge("next_run_seconds", "Seconds until the next run; negative if it is overdue.", "campaign")
RUN_PROGRESS = _gauge("run_progress", "Share of the emails of an open run that ended, from 0 to 1.", "campaign")

OWED_TO_ACCEPTED = _histogram(
    "owed_to_accepted_seconds", "From the moment an email was first due until a mail server accepted it.", "class",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600),
)  # fmt: skip
SMTP_SECONDS = _histogram(
    "smtp_seconds", "Time at a mail server: connect, mail (MAIL to the reply to DATA), eod (body and its reply).",
    "transport", "phase", buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)  # fmt: skip
RENDER_SECONDS = _histogram(
    "render_seconds", "Time to compose one email, from template files or from content of operators.", "kind", "path",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1),
)  # fmt: skip
RUN_LATENESS = _histogram(
    "run_lateness_seconds", "From the moment a run was due until the tick began it.",
    buckets=(1, 5, 15, 30, 60, 120, 300, 900, 3600, 21600),
)  # fmt: skip

COUNTERS: Final = (
    NOTIFICATIONS, SMTP_REPLIES, ENQUEUED, CLAIMS, UNKNOWN, BOUNCES, COMPLAINTS, UNSUBSCRIBES, WEBHOOK_DELIVERIES,
    API_REQUESTS,
)  # fmt: skip
GAUGES: Final = (
    DUE, OLDEST_DUE, LEASES, LEASE_OVERDUE, UNKNOWN_OPEN, HELD, BEAT_AGE, SWEEP_AGE, NEXT_RUN, RUN_PROGRESS,
)  # fmt: skip
HISTOGRAMS: Final = (OWED_TO_ACCEPTED, SMTP_SECONDS, RENDER_SECONDS, RUN_LATENESS)
METRICS: Final = (*COUNTERS, *GAUGES, *HISTOGRAMS)


def provider_label(scope: str | None) -> str:
    """Return the label of a domain, or of the scope of a refusal: a known provider's name, or OTHER."""
    if scope is None:
        return OTHER
    return scope if scope in providers.PROVIDERS else providers.provider_of(scope) or OTHER
