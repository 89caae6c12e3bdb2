"""What monitoring sees of an application, as numbers. All functions need an application context."""

from collections import Counter

from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select

from notifier.extensions import db
from notifier.ledger import AT_REST
from notifier.metrics import tallies
from notifier.metrics.catalogue import Metric
from notifier.models import Notification
from notifier.services import services_of

Labels = tuple[tuple[str, str], ...]


def scraped(app: Flask) -> dict[str, dict[Labels, float]]:
    """What Prometheus would read: by the full name of a sample, and its labels in the order of their names."""
    services_of(app).recorder.flush()
    db.session.rollback()
    text = services_of(app).exposition.render()[0].decode()
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        found.setdefault(f"{family.name} {family.type}", {})
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def samples_of(text: str) -> dict[tuple[str, Labels], float]:
    """All samples of a scrape, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(app: Flask, name: str, **labels: str) -> float:
    """One value; 0 if it is not shown."""
    return scraped(app).get(f"notifier_{name}", {}).get(tuple(sorted(labels.items())), 0.0)


def counted(metric: Metric) -> dict[tuple[str, ...], float]:
    """What the database has counted of one metric, by the values of its labels."""
    db.session.rollback()
    found = tallies.read(db.session()).get(metric.name, {})
    db.session.rollback()
    return {labels: value for labels, value in found.items() if value}


def at_rest() -> dict[tuple[str, ...], float]:
    """The rows of the ledger that came to rest, by kind and status."""
    db.session.rollback()
    query = select(Notification.kind, Notification.status, func.count()).where(Notification.status.in_(AT_REST))
    rows = db.session.execute(query.group_by(Notification.kind, Notification.status)).all()
    db.session.rollback()
    return {(kind, status): float(number) for kind, status, number in rows}


def statuses() -> Counter[str]:
    """The rows of the ledger by status."""
    db.session.rollback()
    return Counter(db.session.scalars(select(Notification.status)))
