"""How commands tell what is wrong: the cause, since when, what to do, and what follows from it."""

from collections.abc import Iterator
from datetime import datetime

from notifier import english
from notifier.observability.causes import Problem
from notifier.observability.runbook import place


def told(problem: Problem, runbook_url: str, now: datetime) -> Iterator[str]:
    """Yield lines about this problem. `runbook_url`: the address of the runbook, or empty."""
    since = ""
    if problem.since is not None:
        since = f" Since {problem.since:%d %b %H:%M:%S} UTC ({english.duration(now - problem.since)})."
    yield f"{problem.title}{since} {problem.means}"
    yield f"  {problem.checks[0].name}: {problem.detail}"
    if problem.consequences:
        yield f"  because of it: {english.listed(check.name for check in problem.consequences)}"
    yield f"  {problem.todo} {place(problem.anchor, runbook_url)}"
