"""Count and measure in the memory of a process, and write it down every few seconds.

What happens on the path of every email must cost next to nothing, so it is not a statement of its own. All processes of
all hosts write to one table: a scrape of any of them sees the sum, and no file of a dead process is left.
"""

import atexit
import os
import threading
import weakref
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from notifier.metrics.catalogue import HISTOGRAMS, Metric
from notifier.metrics.tallies import Counted

log = structlog.get_logger(__name__)

#: Seconds between two times of writing.
EVERY_SECONDS = 10.0

#: The bound of a histogram's last bucket.
INFINITE = "+Inf"

#: Of each histogram: the names of its two parts, and its bounds as they are written.
_PARTS = {
    each.name: (f"{each.name}_bucket", f"{each.name}_sum", (*map(str, each.buckets), INFINITE)) for each in HISTOGRAMS
}

#: Numbers by the name of a metric, or of a part of it, and the values of its labels.
_Sums = defaultdict[tuple[str, tuple[str, ...]], float]

_recorders: "weakref.WeakSet[Recorder]" = weakref.WeakSet()


class Recorder:
    """The memory of one process. Threads share an instance; after a fork the child begins with an empty one."""

    def __init__(
        self,
        store: Callable[[Sequence[Counted]], None] = lambda counted: None,
        *,
        background: bool = False,
        every: float = EVERY_SECONDS,
    ) -> None:
        """Prepare a recorder; nothing runs before the first number.

        Args:
            store: Writes numbers down in a transaction of its own. Raises SQLAlchemyError.
            background: Whether a thread of this process writes. Otherwise only `flush` does.
            every: Seconds between two times of writing.
        """
        self._store = store
        self._background = background
        self._every = every
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._sums: _Sums = defaultdict(float)
        _recorders.add(self)

    def count(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Add to a counter."""
        with self._lock:
            self._sums[metric.name, labels] += by
        if self._background and self._thread is None:
            self._start()

    def observe(self, metric: Metric, seconds: float, *labels: str) -> None:
        """Add one measurement to a histogram."""
        bucket, total, bounds = _PARTS[metric.name]
        bound = bounds[bisect_left(metric.buckets, seconds)]
        with self._lock:
            self._sums[bucket, (*labels, bound)] += 1
            self._sums[total, labels] += seconds
        if self._background and self._thread is None:
            self._start()

    def flush(self) -> int:
        """Write down what is in memory. Return how many numbers; 0 if the database is away, which keeps them."""
        with self._lock:
            sums, self._sums = self._sums, defaultdict(float)
        if not sums:
            return 0
        try:
            self._store([Counted(name, labels, value) for (name, labels), value in sums.items()])
        except SQLAlchemyError as error:
            log.warning("metrics.not_stored", numbers=len(sums), error=type(error).__name__)
            with self._lock:
                for key, value in sums.items():
                    self._sums[key] += value
            return 0
        return len(sums)

    def close(self) -> None:
        """Stop the thread, and write down what is left: the process ends."""
        self._ended.set()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=self._every)
        self.flush()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None:
                return
            thread = threading.Thread(target=self._run, name="metrics", daemon=True)
            thread.start()
            self._thread = thread
        atexit.register(self.close)

    def _run(self) -> None:
        while not self._ended.wait(self._every):
            self.flush()

    def _forget(self) -> None:
        """Begin with nothing: what the parent of a forked process counted is its own to write."""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = None
        self._sums = defaultdict(float)


def _forget_all() -> None:
    for recorder in list(_recorders):
        recorder._forget()


os.register_at_fork(after_in_child=_forget_all)
