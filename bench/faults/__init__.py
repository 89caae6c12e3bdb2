"""Deliberate faults: kill, cut off, flood and poison the real stack, then count the emails (docs/faults.md)."""
