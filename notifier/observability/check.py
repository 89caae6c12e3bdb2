"""HealthCheck: one line of the health report."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One line of the report."""

    name: str
    ok: bool
    detail: str
    #: The facts for programs: `notifier health --json`, docs/runbook.md. Names are stable; new ones may be added.
    figures: Mapping[str, Any] = field(default_factory=dict)
    #: Since when it fails, if the check itself can tell.
    since: datetime | None = None
