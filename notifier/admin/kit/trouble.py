"""What is wrong with sending, as every page shows it: from the newest look, which no page waits for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from notifier.observability.cause_rules import Effect
from notifier.observability.causes import Problem
from notifier.observability.runbook import place
from notifier.services import services


def watches() -> bool:
    """Return whether this application looks by itself, so that pages have a banner."""
    return services().watch.is_on


def trouble() -> Sequence[Problem]:
    """Return the causes that stop or delay emails, the deepest first. Takes no time."""
    look = services().watch.latest()
    return [problem for problem in look.problems if problem.effect is not Effect.asks] if look else []


def runbook(problem: Problem) -> Markup:
    """Return the link to what the runbook says about this problem."""
    return runbook_to(problem.anchor, "Runbook")


def runbook_to(anchor: str, label: str) -> Markup:
    """Return a link to a heading of the runbook, or its name in the repository if RUNBOOK_URL is not set."""
    base = services().settings.runbook_url
    where = place(anchor, base)
    if not base:
        return Markup('<span class="muted">{}: <code>{}</code></span>').format(label, where)
    return Markup('<a href="{}" rel="noreferrer">{}</a>').format(where, label)


GLOBALS: Mapping[str, Callable[..., Any]] = {
    "admin_trouble": trouble,
    "admin_watches": watches,
    "runbook": runbook,
    "runbook_to": runbook_to,
}
