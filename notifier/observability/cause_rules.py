"""The causes that the root-cause analysis knows, in the order of the search: from the deepest to the most superficial.

Each leads to a heading of docs/runbook.md.
"""

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from notifier.observability.check import HealthCheck


class Effect(enum.StrEnum):
    """What a problem does to sending."""

    #: No email goes out, or next to none.
    stops = "stops"
    #: Some emails wait.
    delays = "delays"
    #: Sending goes on, and a person should look.
    asks = "asks"


#: Families of checks with a name of their own for each transport, provider, campaign, run and webhook endpoint.
NAMED = ("transport", "provider", "campaign", "run", "endpoint")


#: The check of the primary transport, whose server the check "mail server" asks.
PRIMARY = "transport smtp"


def family(name: str) -> str:
    """Return the family of a check: "transport" for "transport smtp", and the name itself for the others."""
    first = name.partition(" ")[0]
    return first if first in NAMED and name != first else name


def is_stalled(check: HealthCheck) -> bool:
    """Return whether this is a run whose expansion has stalled, and not one that a brake paused."""
    return family(check.name) == "run" and bool(check.figures.get("stalled"))


@dataclass(frozen=True, slots=True)
class Rule:
    """How one cause is recognised."""

    key: str
    title: str
    means: str
    todo: str
    anchor: str
    effect: Effect
    #: The checks that it explains, by their names or families.
    explains: frozenset[str] = frozenset()
    #: Whether this failing check is the cause. None: every failing check of the family `key` is one of its own.
    finds: Callable[[HealthCheck], bool] | None = None

    def is_cause(self, check: HealthCheck) -> bool:
        """Return whether this failing check is such a cause."""
        return family(check.name) == self.key if self.finds is None else self.finds(check)


_CHORES = frozenset({"tick", "sweep", "purge"})
_LATE = frozenset({"ledger", "sign-up requests", "limited emails", "campaign", "run", "webhook calls"})
_BROKER = frozenset({"workers", "queues", "rejected messages"})


def _lacks(*queues: str, besides: str = "") -> Callable[[HealthCheck], bool]:
    """Find the check of the queues if one of `queues` has no reader, and the queue `besides` has none either."""

    def finds(check: HealthCheck) -> bool:
        missing = check.figures.get("without_reader", ())
        if besides and f"notifier.{besides}" not in missing:
            return False
        return check.name == "queues" and any(f"notifier.{queue}" in missing for queue in queues)

    return finds


_QUEUES_TODO = "Start a worker that reads it, or correct the -Q of the worker that should."

#: From the deepest cause to the most superficial.
RULES: Sequence[Rule] = (
    Rule(
        "database", "The database does not answer.", "No email is sent and no page is shown.",
        "Start the database again, or make it reachable. Everything goes on by itself.",
        "the-database-is-away", Effect.stops,
        frozenset({"schema", "restore", "unknown", "clock", "database writes", *_CHORES, *_LATE}),
        lambda check: check.name == "database" and "not answer" in check.detail,
    ),
    Rule(
        "database", "The database answers with errors.", "No email is sent.",
        "Run notifier db upgrade if its tables are missing; otherwise read its log.",
        "the-schema-is-behind", Effect.stops,
        frozenset({"schema", "restore", "unknown", "clock", "database writes", *_CHORES, *_LATE}),
    ),
    Rule(
        "database writes", "The database takes no changes.", "No email is sent: each is recorded before it goes out.",
        "Free its disk, or point DATABASE_URL at the server that accepts writes.",
        "the-database-is-read-only", Effect.stops, frozenset({*_CHORES, *_LATE}),
    ),
    Rule(
        "schema", "The schema of the database is behind.", "Workers and pages of this version cannot use it.",
        "Run notifier db upgrade.", "the-schema-is-behind", Effect.stops, frozenset({*_CHORES, *_LATE}),
    ),
    Rule(
        "restore", "The database was restored from a backup.", "Nothing is sent until it is reconciled.",
        "Run notifier restore reconcile, or notifier restore release.",
        "restore-a-backup-without-sending-twice", Effect.stops, _LATE,
    ),
    Rule(
        "broker", "No broker is configured.", "Emails are stored, and sent when there is one.",
        "Set REDIS_URL or CELERY_BROKER_URL, or start ./run up.", "the-broker-is-away", Effect.stops,
        frozenset({*_BROKER, *_CHORES, *_LATE}),
        lambda check: check.name == "broker" and check.detail.startswith("none is configured"),
    ),
    Rule(
        "broker", "The broker does not answer.", "Emails are stored, and sent when it is back.",
        "Start the broker again, or make it reachable. Leave web, workers and beat running.",
        "the-broker-is-away", Effect.stops, frozenset({*_BROKER, *_CHORES, *_LATE}),
    ),
    Rule(
        "workers", "No worker answers.", "Emails are stored, and sent when one runs.",
        "Start a worker. If one runs, look at its log.",
        "no-worker-answers", Effect.stops, frozenset({"queues", *_CHORES, *_LATE}),
    ),
    Rule(
        "control and email queues", "No worker reads the queue notifier.control, nor a queue of emails.",
        "Emails wait. The jobs of beat do not run: late emails are not found and campaigns do not start.",
        _QUEUES_TODO, "a-queue-has-no-reader", Effect.delays, frozenset({*_CHORES, *_LATE}),
        _lacks("transactional", "bulk", "expansion", besides="control"),
    ),
    Rule(
        "control queue", "No worker reads the queue notifier.control.",
        "The jobs of beat do not run: late emails are not found and campaigns do not start.",
        _QUEUES_TODO, "a-queue-has-no-reader", Effect.delays, frozenset({*_CHORES, *_LATE}), _lacks("control"),
    ),
    Rule(
        "email queues", "No worker reads a queue of emails.", "Their emails wait.",
        _QUEUES_TODO, "a-queue-has-no-reader", Effect.delays, _LATE, _lacks("transactional", "bulk", "expansion"),
    ),
    Rule(
        "queues", "No worker reads one of the queues.", "What is in it waits.",
        _QUEUES_TODO, "a-queue-has-no-reader", Effect.delays,
    ),
    Rule(
        "beat", "The scheduler is silent.", "Campaigns do not start, and late emails are not found.",
        "Start beat. If it runs, look at its log.",
        "beat-is-silent", Effect.delays, frozenset({*_CHORES, "campaign", "run", "webhook calls", *_LATE}),
        lambda check: check.name in {"tick", "sweep"},
    ),
    Rule(
        "mail server", "The mail server does not answer.", "Emails wait, and are sent when it is back.",
        "Start the mail server again, or make it reachable.",
        "the-mail-server-does-not-answer", Effect.stops, frozenset({PRIMARY, "ledger"}),
    ),
    Rule(
        "transport", "Sending through {name} is on hold.", "Its emails wait.",
        "Read its answer, and correct what it names. One email tests it every few minutes, and the others follow.",
        "a-mail-server-is-on-hold", Effect.delays, frozenset({"ledger"}),
    ),
    Rule(
        "provider", "{name} refuses our emails.", "Emails to it wait; all others go out.",
        "Read its answer, and correct what it names. One email tests it every few minutes, and the others follow.",
        "a-provider-refuses-our-emails", Effect.delays,
    ),
    Rule(
        "purge", "Old data is not deleted.", "Emails are not affected.",
        "Look at the log of the workers.", "beat-is-silent", Effect.asks,
    ),
    Rule(
        "limited emails", "Emails wait for a rate limit, and no worker sends them.", "They wait.",
        "Start a worker that reads notifier.bulk and reaches REDIS_URL.", "emails-are-stuck-in-pending", Effect.delays,
    ),
    Rule(
        "webhook calls", "Other applications are not told what happened.", "Emails are not affected.",
        "Start a worker that reads notifier.webhooks.", "a-queue-has-no-reader", Effect.asks,
    ),
    Rule(
        "endpoint", "The webhook endpoint {name} takes no events.",
        "Emails are not affected. Its events are kept and tried again; after 48 hours it is disabled.",
        "Ask the operators of that application, then send it a test event.",
        "a-webhook-endpoint-takes-no-events", Effect.asks,
    ),
    Rule(
        "campaign", "A run of the campaign {name} has not begun.", "Its emails are late.",
        "See whether the campaign can run.", "a-campaign-did-not-run", Effect.delays,
    ),
    Rule(
        "stalled run", "Run {name} makes no progress.", "Its emails wait.",
        "Start a worker that reads notifier.expansion, or look at its log.", "a-campaign-did-not-run", Effect.delays,
        finds=is_stalled,
    ),
    Rule(
        "run", "Run {name} was paused by itself.", "Its emails wait.", "Read the reason, then resume or cancel it.",
        "a-run-is-paused-because-of-bounces-or-complaints", Effect.asks,
    ),
    Rule(
        "sign-up requests", "Sign-up requests wait or have failed.", "Those people get no email.",
        "Read the log, then run notifier outbox retry.", "sign-up-requests-failed", Effect.asks,
    ),
    Rule(
        "ledger", "Emails are late.", "They are overdue, and nothing else is known to be wrong.",
        "Look at one of them, and at the log of the workers.", "emails-are-stuck-in-pending", Effect.delays,
    ),
    Rule(
        "lost claims", "A worker was lost while it held emails.", "Others took them over.",
        "See whether its host is up and reaches the database.", "a-host-was-lost", Effect.asks,
    ),
    Rule(
        "unknown", "The delivery of some emails is uncertain.", "They are not sent again until you decide.",
        "Run notifier unknown list, and decide.", "rows-are-unknown", Effect.asks,
    ),
    Rule(
        "rejected messages", "Messages were rejected.", "No email is lost: the sweep enqueues them again.",
        "See whether all processes run the same version.", "messages-were-rejected", Effect.asks,
    ),
    Rule(
        "ignored rates", "The rates of campaigns do not apply.", "Campaigns are sent faster than they say.",
        "Set REDIS_URL, or remove the rates.", "the-rates-of-campaigns-do-not-apply", Effect.asks,
    ),
    Rule(
        "clock", "The clocks of this host and of the database differ.", "Emails go out early or late by as much.",
        "Set the clock, and keep it right with NTP.", "the-clocks-differ", Effect.asks,
    ),
)  # fmt: skip

#: For a check that no rule names.
OTHER = Rule(
    "other", "The check “{name}” fails.", "Emails may be affected.", "Read what it says.", "does-everything-work",
    Effect.asks,
)  # fmt: skip
