"""Faults on purpose: kill, cut, flood and poison the real stack, then count the mails (docs/faults.md)."""
