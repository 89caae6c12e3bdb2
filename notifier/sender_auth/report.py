"""The result of one check, as a line of the report."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Level(StrEnum):
    """The severity: `warn` should be improved, WRONG costs deliveries."""

    OK = "ok"
    WARN = "warn"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class AuthCheck:
    """The result of one check, with the remedy if there is a problem."""

    level: Level
    name: str
    detail: str

    @classmethod
    def of(cls, level: Level, name: str, detail: str) -> Self:
        """Build a result. DNS data comes from strangers, so unprintable characters are replaced for the terminal."""
        return cls(level, name, "".join(char if char.isprintable() else "?" for char in detail))


def ok(name: str, detail: str) -> AuthCheck:
    """Build the result of a check that passed."""
    return AuthCheck.of(Level.OK, name, detail)


def warn(name: str, detail: str) -> AuthCheck:
    """Build the result of a check that works but should be improved."""
    return AuthCheck.of(Level.WARN, name, detail)


def wrong(name: str, detail: str) -> AuthCheck:
    """Build the result of a check whose failure makes receivers distrust us."""
    return AuthCheck.of(Level.WRONG, name, detail)
