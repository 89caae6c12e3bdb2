"""Measure notifier and other ways of sending: `./run bench` (docs/performance.md)."""
