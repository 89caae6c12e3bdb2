"""Measures notifier beside other ways of sending: `./run bench` (docs/performance.md)."""
