"""A diagnosis: the result of one check, with its rule, the source of that rule, and the cure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Level(StrEnum):
    """The severity: `warn` should be improved, WRONG costs deliveries; `skipped` could not be checked from here."""

    OK = "ok"
    WARN = "warn"
    WRONG = "WRONG"
    SKIPPED = "skipped"


class Group(StrEnum):
    """The part of the report."""

    identity = "identity"
    dns = "dns"
    email = "email"
    running = "running"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that receivers apply: a stable code for programs, and where it is written."""

    group: Group
    code: str
    source: str


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The result of one check. `cure` is empty only if there is nothing to do."""

    level: Level
    rule: Rule
    #: What was checked: "SPF of example.com".
    name: str
    detail: str
    cure: str = ""

    @classmethod
    def of(cls, level: Level, rule: Rule, name: str, detail: str, cure: str = "") -> Self:
        """Build a result. DNS data comes from strangers, so unprintable characters are replaced for the terminal."""
        return cls(level, rule, _printable(name), _printable(detail), _printable(cure))


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


def ok(rule: Rule, name: str, detail: str) -> Diagnosis:
    """Build the result of a check that passed."""
    return Diagnosis.of(Level.OK, rule, name, detail)


def warn(rule: Rule, name: str, detail: str, cure: str) -> Diagnosis:
    """Build the result of a check that works but should be improved."""
    return Diagnosis.of(Level.WARN, rule, name, detail, cure)


def wrong(rule: Rule, name: str, detail: str, cure: str) -> Diagnosis:
    """Build the result of a check whose failure makes receivers distrust us."""
    return Diagnosis.of(Level.WRONG, rule, name, detail, cure)


def skipped(rule: Rule, name: str, detail: str, cure: str) -> Diagnosis:
    """Build the result of a check that could not be made; `cure` says how to make it."""
    return Diagnosis.of(Level.SKIPPED, rule, name, detail, cure)
