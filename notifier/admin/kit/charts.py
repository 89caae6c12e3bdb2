"""Geometry of charts; the macros in templates/admin/_charts.html draw it. Units are those of the view box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 220
_LEFT, _TOP, _BOTTOM = 52, 10, 24
#: Half of the last label, such as "30 Nov", is to the right of its bar.
_RIGHT = 18
#: Labels below the bars: more would overlap.
_LABELS = 15


@dataclass(frozen=True, slots=True)
class Part:
    """One colour of one bar."""

    name: str
    number: int
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, its parts from the bottom up."""

    label: str
    x: float
    width: float
    parts: Sequence[Part]
    labelled: bool
    total: int

    def of(self, name: str) -> int:
        """Return the number of one part."""
        return next((part.number for part in self.parts if part.name == name), 0)


@dataclass(frozen=True, slots=True)
class Chart:
    """Stacked bars over a scale that starts at 0."""

    bars: Sequence[Bar]
    #: (y, value)
    lines: Sequence[tuple[float, int]]
    series: Sequence[str]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see."""
        return not any(bar.total for bar in self.bars)


def bars(rows: Sequence[tuple[str, Mapping[str, int]]], series: Sequence[str]) -> Chart:
    """Build a bar per row: its label, and numbers by the names in `series`. Series without numbers are left out."""
    used = [name for name in series if any(numbers.get(name) for _, numbers in rows)]
    top = _round_up(max((sum(numbers.get(name, 0) for name in used) for _, numbers in rows), default=0))
    floor = HEIGHT - _BOTTOM
    scale = (floor - _TOP) / top
    step = (WIDTH - _LEFT - _RIGHT) / max(1, len(rows))
    every = -(-len(rows) // _LABELS)
    drawn = []
    for place, (label, numbers) in enumerate(rows):
        parts, y = [], float(floor)
        for name in used:
            height = numbers.get(name, 0) * scale
            y -= height
            if height:
                parts.append(Part(name, numbers[name], round(y, 2), round(height, 2)))
        # Counted from the right, so that today always has its label.
        labelled = (len(rows) - 1 - place) % every == 0
        x, width = _LEFT + place * step, step * 0.8
        drawn.append(Bar(label, round(x, 2), round(width, 2), parts, labelled, sum(part.number for part in parts)))
    lines = [(round(floor - top * share * scale, 2), int(top * share)) for share in (0, 0.5, 1)]
    return Chart(drawn, lines, used)


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A sparkline: points of an SVG polyline, and its text alternative."""

    points: str
    words: str
    width: int = 100
    height: int = 24


def sparkline(numbers: Sequence[int]) -> Sparkline:
    """Build a line from old to new."""
    top = max(numbers, default=0) or 1
    step = 96 / max(1, len(numbers) - 1)
    points = " ".join(f"{2 + place * step:.1f},{22 - 20 * value / top:.1f}" for place, value in enumerate(numbers))
    return Sparkline(points, ", ".join(f"{value:,}" for value in numbers))


def _round_up(value: int) -> int:
    """Return the next number of the form 2, 4, 6, 10 times a power of ten: its half is whole."""
    power = 1
    while True:
        for step in (2, 4, 6, 10):
            if value <= step * power:
                return step * power
        power *= 10
