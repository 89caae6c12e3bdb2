"""The cause of all that is wrong: of the failing checks, those that explain the others.

A frozen broker stops beat's jobs, and so emails are late. All three checks fail, and only one is worth a person's time.
`RULES` (`cause_rules.py`) is the order of the search: a rule takes the failing checks that it explains, and the rules
below it look at what is left.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import NamedTuple

from notifier.observability.cause_rules import NAMED, OTHER, PRIMARY, RULES, Effect, Rule, family, is_stalled
from notifier.observability.check import HealthCheck


@dataclass(frozen=True, slots=True)
class Problem:
    """One cause, and what follows from it."""

    #: Stable, for programs: "broker", "transport smtp".
    key: str
    #: What happened, in one sentence.
    title: str
    #: What that means for emails.
    means: str
    #: What to do.
    todo: str
    #: The heading of docs/runbook.md, as in its address.
    anchor: str
    effect: Effect
    #: What the check itself says.
    detail: str
    #: None: not known.
    since: datetime | None
    #: The checks that fail because of it, the cause itself first.
    checks: Sequence[HealthCheck] = field(default_factory=tuple)

    @property
    def consequences(self) -> Sequence[HealthCheck]:
        """The checks that fail because of it, without itself."""
        return self.checks[1:]


class Sighting(NamedTuple):
    """When a check was first seen to fail."""

    at: datetime
    #: Whether it was seen to be well before. Otherwise it may have failed for longer.
    is_exact: bool


def _explains(rule: Rule, check: HealthCheck) -> bool:
    if family(check.name) == "run":
        # A run that a brake paused is paused for its own reason.
        return "run" in rule.explains and is_stalled(check)
    return bool({check.name, family(check.name)} & rule.explains)


def diagnose(
    checks: Sequence[HealthCheck], seen: Mapping[str, Sighting] | None = None, transports: Collection[str] = ()
) -> Sequence[Problem]:
    """Return the causes of all failing checks, the deepest first; nothing if all is well.

    Args:
        checks: Those of the health report, failing or not.
        seen: Name of a check -> when it was first seen to fail, for checks that cannot tell that themselves.
        transports: The names of all transports: whether a held one leaves others decides about its effect.
    """
    open_ = [check for check in checks if not check.ok]
    found = []
    for rule in RULES:
        for cause in [check for check in open_ if rule.is_cause(check)]:
            if cause not in open_:
                continue  # The cause before it has explained it: tick and sweep are silent together.
            explained = [check for check in open_ if check is not cause and _explains(rule, check)]
            open_ = [check for check in open_ if check is not cause and check not in explained]
            found.append(_problem(rule, [cause, *explained], seen or {}))
    found += [_problem(OTHER, [check], seen or {}) for check in open_]
    return [_by_transports(problem, checks, transports) for problem in found]


def _by_transports(problem: Problem, checks: Sequence[HealthCheck], transports: Collection[str]) -> Problem:
    """Return the problem with its effect: a mail server that is away stops all email only if it is the last one."""
    if not transports or family(problem.key) not in {"mail server", "transport"}:
        return problem
    away = {check.name.partition(" ")[2] for check in checks if not check.ok and family(check.name) == "transport"}
    if problem.key == "mail server":
        away |= {PRIMARY.partition(" ")[2]}
    effect = Effect.stops if away.issuperset(transports) else Effect.delays
    means = problem.means if effect is Effect.stops else "Its emails take another mail server."
    return replace(problem, effect=effect, means=means)


def _problem(rule: Rule, checks: Sequence[HealthCheck], seen: Mapping[str, Sighting]) -> Problem:
    cause = checks[0]
    name = cause.name.partition(" ")[2] if family(cause.name) in NAMED else cause.name
    return Problem(
        key=rule.key if rule.finds and family(cause.name) not in NAMED else cause.name,
        title=rule.title.format(name=name),
        means=rule.means,
        todo=rule.todo,
        anchor=rule.anchor,
        effect=rule.effect,
        detail=cause.detail,
        since=_since(checks, seen),
        checks=tuple(checks),
    )


#: The checks whose own time shows since when their cause holds: jobs that stopped, a transport that was held.
_DATED = frozenset({"tick", "sweep", PRIMARY})


def _since(checks: Sequence[HealthCheck], seen: Mapping[str, Sighting]) -> datetime | None:
    """Return since when the cause holds: by itself, as it was seen, or as its oldest consequence shows."""
    cause, sighting = checks[0], seen.get(checks[0].name)
    if cause.since is not None:
        return cause.since
    if sighting is not None and sighting.is_exact:
        return sighting.at
    return min((check.since for check in checks[1:] if check.since is not None and check.name in _DATED), default=None)
