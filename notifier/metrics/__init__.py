"""What is counted and measured for monitoring: names and labels, the memory of a process, and the table of tallies.

Nothing here knows Prometheus: `notifier.observability.exposition` writes its format. `folding` is imported by its own
name, because the writer in another application's process has no Flask.
"""

from notifier.metrics.catalogue import Metric, MetricKind, provider_label
from notifier.metrics.recorder import Recorder
from notifier.metrics.tallies import tally, write

__all__ = ["Metric", "MetricKind", "Recorder", "provider_label", "tally", "write"]
