"""Write all metrics in the text format of Prometheus, or as OpenMetrics if the client asks for it."""

import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from sqlalchemy.orm import Session

from notifier import clock
from notifier.database.transaction import reading
from notifier.metrics import Metric, MetricKind, tallies
from notifier.metrics.catalogue import COUNTERS, GAUGES, HISTOGRAMS, NOTIFICATIONS, PREFIX
from notifier.metrics.recorder import INFINITE
from notifier.models import Status
from notifier.observability.gauges import Reading, readings

#: Seconds for which the gauges are reused: several Prometheus servers may scrape, and each process of the web answers.
CACHE_SECONDS = 15.0

#: The values of one metric, or of a part of it, by the values of its labels.
_Values = Mapping[tuple[str, ...], float]
#: The ends that each kind of email shows from the beginning.
_ENDS = (str(Status.sent), str(Status.failed))


class Exposition:
    """All metrics of one application. Threads share an instance."""

    def __init__(
        self,
        session: Callable[[], Session],
        lease_clock: Callable[[], datetime],
        *,
        transports: Collection[str],
        kinds: Collection[str],
        cache_seconds: float = CACHE_SECONDS,
    ) -> None:
        """Prepare.

        Args:
            session: Returns the current session.
            lease_clock: The clock by which leases are given: the database's.
            transports: Names of the transports of the settings.
            kinds: Names of the kinds of email.
            cache_seconds: Seconds for which the gauges are reused.
        """
        self._session = session
        self._lease_clock = lease_clock
        self._transports = tuple(transports)
        self._kinds = tuple(kinds)
        self._cache_seconds = cache_seconds
        self._lock = Lock()
        self._gauges: tuple[float, list[Reading]] = (-math.inf, [])

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """Return the text and its content type for the header Accept. Raise SQLAlchemyError if no database answers."""
        encode, content_type = choose_encoder(accept)
        return encode(_Fixed(list(self._families()))), content_type

    def _families(self) -> Iterator[Family]:
        lease_now = self._lease_clock()
        with reading(self._session) as session:
            counted = tallies.read(session)
            gauges = self._read_gauges(session, lease_now)
        for metric in COUNTERS:
            yield self._counter(metric, counted.get(metric.name, {}))
        for metric in GAUGES:
            family = GaugeMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
            for each in gauges:
                if each.metric is metric:
                    family.add_metric(each.labels, each.value)
            yield family
        for metric in HISTOGRAMS:
            yield _histogram(metric, counted.get(f"{metric.name}_bucket", {}), counted.get(f"{metric.name}_sum", {}))

    def _read_gauges(self, session: Session, lease_now: datetime) -> list[Reading]:
        # One thread asks the database, the others wait for its answer.
        with self._lock:
            read_at, values = self._gauges
            if time.monotonic() - read_at >= self._cache_seconds:
                values = readings(session, clock.now(), lease_now=lease_now, transports=self._transports)
                self._gauges = (time.monotonic(), values)
            return values

    def _counter(self, metric: Metric, found: _Values) -> Family:
        family = CounterMetricFamily(PREFIX + metric.name.removesuffix("_total"), metric.help, labels=metric.labels)
        known = metric.known
        if metric is NOTIFICATIONS:
            known = tuple((kind, end) for kind in self._kinds for end in _ENDS)
        for labels, value in {**dict.fromkeys(known, 0.0), **found}.items():
            family.add_metric(labels, value)
        return family


class _Fixed(CollectorRegistry):
    """The families of one scrape; nothing is registered."""

    def __init__(self, families: Iterable[Family]) -> None:
        super().__init__()
        self._families = families

    def collect(self) -> Iterator[Family]:
        return iter(self._families)


def _histogram(metric: Metric, buckets: _Values, sums: _Values) -> Family:
    """Build the family. Stored is how many measurements each bucket holds; Prometheus wants those up to its bound."""
    assert metric.kind is MetricKind.histogram
    family = HistogramMetricFamily(PREFIX + metric.name, metric.help, labels=metric.labels)
    bounds = [str(each) for each in metric.buckets]
    for labels in sorted({each[:-1] for each in buckets}):
        total, cumulated = 0.0, []
        for bound in (*bounds, INFINITE):
            total += buckets.get((*labels, bound), 0.0)
            cumulated.append((bound if bound == INFINITE else str(float(bound)), total))
        family.add_metric(labels, cumulated, sums.get(labels, 0.0))
    return family
