"""The counters that come from the ledger, as Prometheus reads them, against the ledger and the mail server's record."""

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families

from bench.faults.checker import Tally
from bench.faults.result import Result
from bench.faults.stage import Stage
from notifier.extensions import db
from notifier.metrics import folding
from notifier.services import services_of

#: Decisions of attempts whose end was uncertain.
_UNCERTAIN = "('UNKNOWN', 'LEASE_EXPIRED')"


def check_counters(stage: Stage, result: Result, found: Tally) -> None:
    """Compare a scrape with ledger and sink, then fold all tallies and compare again."""
    for when in ("as tallies", "as totals"):
        shown = _scrape(stage)
        rested = {(kind, status): float(number) for kind, status, number in stage.execute(
            "SELECT kind, status, count(*) FROM notifier_notifications WHERE status NOT IN ('pending', 'sending') "
            "GROUP BY kind, status"
        )}  # fmt: skip
        (rows,), *_ = stage.execute("SELECT count(*) FROM notifier_notifications")
        (doubts,), *_ = stage.execute(f"SELECT count(*) FROM notifier_attempts WHERE decision IN {_UNCERTAIN}")
        counted = {labels: value for labels, value in shown["notifier_notifications_total"].items() if value}
        unknown, added = (sum(shown[f"notifier_{name}_total"].values()) for name in ("unknown", "enqueued"))
        # An email that was taken for uncertain, and that a late journal settled, came to rest twice.
        moved = sum(counted.values()) - sum(rested.values())
        sent = sum(value for (_, to), value in counted.items() if to == "sent")
        result.expect(
            all(counted.get(labels, 0) == number for labels, number in rested.items() if labels[1] != "unknown"),
            f"{when}: notifications_total shows {counted}, and the ledger has {rested}",
        )
        result.expect(0 <= moved <= unknown, f"{when}: {moved:.0f} more came to rest than the ledger has")
        result.expect(
            unknown == doubts, f"{when}: unknown_total is {unknown:.0f}, and the ledger has {doubts} attempts"
        )
        result.expect(added == rows, f"{when}: enqueued_total is {added:.0f}, and the ledger has {rows} rows")
        arrived = found.copies - found.extra
        result.expect(
            sent <= arrived <= sent + found.statuses["unknown"],
            f"{when}: notifications_total has {sent:.0f} sent, and {arrived} people got an email",
        )
        with stage.app.app_context():
            folded = folding.fold(db.session)
        result.figures |= {
            "counted as sent": int(sent), "counted as uncertain": int(unknown), f"tallies folded {when}": folded,
        }  # fmt: skip


def _scrape(stage: Stage) -> dict[str, dict[tuple[str, ...], float]]:
    with stage.app.app_context():
        text = services_of(stage.app).exposition.render()[0].decode()
    found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name][tuple(sample.labels.values())] = sample.value
    return found
