"""Cron expressions that choices in the form can say."""

import re
from datetime import time
from typing import Any

_SIMPLE = re.compile(
    r"(\d{1,2}) (\d{1,2}) (\*|\d{1,2}|L) \* (\*|[0-7](?:-[0-7])?(?:,[0-7](?:-[0-7])?){0,20})\Z", re.ASCII
)


def cron_choices(expression: str) -> dict[str, Any]:
    """Return the inputs that say the same as a cron expression."""
    found = _SIMPLE.match(expression)
    if found is None or int(found[1]) > 59 or int(found[2]) > 23:
        return {"repeat": "cron"}
    at = time(int(found[2]), int(found[1]))
    if found[3] == found[4] == "*":
        return {"repeat": "daily", "at": at}
    if found[4] == "*":
        return {"repeat": "monthly", "at": at, "day": found[3]}
    days: set[int] = set()
    for part in found[4].split(","):
        first, _, last = part.partition("-")
        days |= {day % 7 for day in range(int(first), int(last or first) + 1)}
    return {"repeat": "weekly", "at": at, "weekday": [str(day) for day in sorted(days)]}
