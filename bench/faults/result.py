"""The result of one fault."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.faults.checker import Tally

#: Problems that are printed for one fault; the rest is counted.
TOLD = 8


@dataclass
class Result:
    """Figures and problems of one fault."""

    name: str
    #: The invariants that were checked: "I1 I2 I8".
    checked: str
    figures: dict[str, Any] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Return True if there are no problems."""
        return not self.problems

    def add(self, found: Tally) -> None:
        """Add the sums and the problems of a comparison."""
        self.figures |= {
            "rows": found.rows,
            "ended": dict(found.statuses),
            "copies": found.copies,
            "extra": found.extra,
            "unknown attempts": found.unknowns,
            "lost": found.lost,
        }
        self.problems += found.problems

    def expect(self, truth: bool, otherwise: str) -> None:
        """Add a problem if `truth` is False."""
        if not truth:
            self.problems.append(otherwise)

    def lines(self) -> Iterable[str]:
        """Yield lines for people."""
        figures = ", ".join(f"{name} {_short(value)}" for name, value in self.figures.items())
        yield f"{'PASS' if self.passed else 'FAIL'}  {self.name}  {self.seconds:.1f} s  [{self.checked}]"
        yield f"      {figures}"
        for problem in self.problems[:TOLD]:
            yield f"      ! {problem}"
        if len(self.problems) > TOLD:
            yield f"      ! and {len(self.problems) - TOLD} more"

    def as_json(self) -> dict[str, Any]:
        """Return the figures for JSON."""
        return {
            "name": self.name,
            "passed": self.passed,
            "checked": self.checked.split(),
            "seconds": round(self.seconds, 2),
            "figures": self.figures,
            "problems": self.problems,
        }


def _short(value: Any) -> str:
    if isinstance(value, Mapping):
        return " + ".join(f"{count} {name}" for name, count in value.items()) or "none"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
