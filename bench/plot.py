"""Draw the race as plain SVG, one panel for each delay.

python -m bench.plot results.json docs/images/bench.svg
"""

import json
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from bench.arithmetic import ratio
from bench.campaigns import CAMPAIGNS
from bench.report import OURS, Row, delays_of, rows_of, times, title_of

WIDTH = 760
LEFT = 140
#: Space for the number behind the longest bar.
RIGHT = 190
BAR = 22
STEP = 30
HEAD = 44
TOP = 64

INK, QUIET, OWN, OTHER = "#14232d", "#55636e", "#0c5a73", "#b6c3cb"


def picture(result: dict[str, Any]) -> str:
    """Return the SVG."""
    parts: list[str] = []
    y = TOP
    for delay in delays_of(result["runs"]):
        rows = rows_of(result["runs"], delay)
        parts.append(_text(24, y + 18, title_of(delay).capitalize(), size=15, weight=600))
        parts += _panel(rows, y + HEAD - 12)
        y += HEAD + STEP * len(rows) + 12
    title = "Emails per second, more is better"
    note = f"Two worker processes, medians of {result['plan']['rounds']}. {result['measured_at'][:10]}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img" aria-labelledby="t" '
        'font-family="system-ui, sans-serif">',
        f'<title id="t">{escape(title)}</title>',
        f'<rect width="{WIDTH}" height="{y}" rx="12" fill="#ffffff"/>',
        _text(24, 34, title, size=19, weight=700),
        _text(24, 54, note, size=13, fill=QUIET),
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def _panel(rows: Sequence[Row], top: int) -> list[str]:
    longest = max(row.rate.median for row in rows)
    # What an operator sends comes first: the others are compared with the first campaign, if there is one.
    first = next((row for row in rows if row.contender in CAMPAIGNS), None)
    name = first.contender if first else OURS
    parts = []
    for number, row in enumerate(rows):
        y = top + number * STEP
        ours = row.contender == OURS or row.contender in CAMPAIGNS
        slower = ratio(first.rate.median, row.rate.median) if first else row.slower
        width = max(2.0, (WIDTH - LEFT - RIGHT) * row.rate.median / longest)
        label = f"{row.rate.median:,.0f}"
        if not ours and (factor := times(slower)):
            label += f"  ({name} {factor})"
        weight = 700 if ours else 400
        parts += [
            _text(LEFT - 10, y + 16, row.contender, anchor="end", weight=weight),
            f'<rect x="{LEFT}" y="{y}" width="{width:.1f}" height="{BAR}" rx="4" fill="{OWN if ours else OTHER}"/>',
            _text(LEFT + width + 8, y + 16, label, weight=weight),
        ]
    return parts


def _text(
    x: float, y: float, words: str, *, size: int = 14, weight: int = 400, fill: str = INK, anchor: str = "start"
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" fill="{fill}" text-anchor="{anchor}"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'


def main() -> None:
    """Run the command line."""
    source, target = map(Path, sys.argv[1:3])
    target.write_text(picture(json.loads(source.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
