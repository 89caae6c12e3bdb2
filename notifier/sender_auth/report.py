"""One line of the report."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Level(StrEnum):
    """`warn` deserves a look; WRONG costs mail."""

    OK = "ok"
    WARN = "warn"
    WRONG = "WRONG"


@dataclass(frozen=True, slots=True)
class AuthCheck:
    """What was looked at, and what to do where that is not well."""

    level: Level
    name: str
    detail: str

    @classmethod
    def of(cls, level: Level, name: str, detail: str) -> Self:
        """What DNS says is a stranger's text: nothing of it may steer a terminal."""
        return cls(level, name, "".join(char if char.isprintable() else "?" for char in detail))


def ok(name: str, detail: str) -> AuthCheck:
    """All is well."""
    return AuthCheck.of(Level.OK, name, detail)


def warn(name: str, detail: str) -> AuthCheck:
    """It works, and could be better."""
    return AuthCheck.of(Level.WARN, name, detail)


def wrong(name: str, detail: str) -> AuthCheck:
    """Receivers will hold it against us."""
    return AuthCheck.of(Level.WRONG, name, detail)
