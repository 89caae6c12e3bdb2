"""The measurements for people: a table for each delay, and the same as Markdown."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from bench.arithmetic import Spread, ratio, spread
from bench.campaigns import ALL, CAMPAIGNS

OURS = "notifier"
#: The others to which campaigns are compared.
OTHERS = ("smtplib", "smtplib_whole", "tutorial", "post_office")
CAMPAIGN_HEADINGS = (
    "campaign", "emails", "emails/s", *(f"to {name}" for name in OTHERS),
    "CPU s per 1,000", "peak MB", "lost", "doubled",
)  # fmt: skip
HEADINGS = ("contender", "emails", "emails/s", "notifier is faster", "CPU s per 1,000", "peak MB", "lost", "doubled")

#: A run as it is written to JSON: the result of Run.as_dict.
RunDict = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Row:
    """All rounds of one contender at one delay."""

    contender: str
    mails: int
    rate: Spread
    cpu: Spread
    memory: Spread
    lost: int
    duplicates: int
    #: How many times faster notifier is, by medians; NaN if it did not take part.
    slower: float

    def cells(self) -> tuple[str, ...]:
        """Return the cells of a table."""
        return (
            self.contender,
            f"{self.mails:,}",
            f"{self.rate.median:,.0f} ({self.rate.least:,.0f} to {self.rate.most:,.0f})",
            times(self.slower) if self.contender != OURS else "",
            f"{self.cpu.median:.2f} ({self.cpu.least:.2f} to {self.cpu.most:.2f})",
            f"{self.memory.median:,.0f}",
            f"{self.lost:,}",
            f"{self.duplicates:,}",
        )


def times(value: float) -> str:
    """Return a ratio for people."""
    return "" if math.isnan(value) else f"{value:.1f} x" if value >= 1.95 else f"{value:.2f} x"


def delays_of(runs: Iterable[RunDict]) -> list[float]:
    """Return the delays in the order of the runs."""
    return list(dict.fromkeys(run["delay_ms"] for run in runs))


def rows_of(runs: Sequence[RunDict], delay_ms: float) -> list[Row]:
    """Return one row for each contender at this delay."""
    groups: dict[str, list[RunDict]] = {}
    for run in runs:
        if run["delay_ms"] == delay_ms:
            groups.setdefault(run["contender"], []).append(run)
    rates = {name: spread([run["mails_per_second"] for run in group]) for name, group in groups.items()}
    ours = rates[OURS].median if OURS in rates else math.nan
    return [
        Row(
            contender=name,
            mails=group[0]["mails"],
            rate=rates[name],
            cpu=spread([run["cpu_per_1000"] for run in group]),
            memory=spread([run["peak_mb"] for run in group]),
            lost=sum(run["lost"] for run in group),
            duplicates=sum(run["duplicates"] for run in group),
            slower=ratio(ours, rates[name].median),
        )
        for name, group in groups.items()
    ]


def campaign_rows(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the cells of each campaign: what an operator's command sends, beside the other ways of sending."""
    rates = {row.contender: row.rate.median for row in rows}
    table = []
    for row in rows:
        if row.contender in CAMPAIGNS:
            name, mails, rate, _, cpu, memory, lost, doubled = row.cells()
            ratios = (times(ratio(row.rate.median, rates.get(other, math.nan))) for other in OTHERS)
            table.append((name, mails, rate, *ratios, cpu, memory, lost, doubled))
    return table


def engine_rows(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return the cells of all others: the engine alone, with a kind of email made for the bench, beside them."""
    return [row.cells() for row in rows if row.contender not in CAMPAIGNS]


def tables_of(result: dict[str, Any]) -> list[tuple[str, Sequence[str], list[tuple[str, ...]]]]:
    """Return title, headings and rows of each table that has rows: real campaigns first."""
    tables: list[tuple[str, Sequence[str], list[tuple[str, ...]]]] = []
    by_delay = {delay: rows_of(result["runs"], delay) for delay in delays_of(result["runs"])}
    for delay, rows in by_delay.items():
        tables.append((f"real campaigns, {title_of(delay)}", CAMPAIGN_HEADINGS, campaign_rows(rows)))
    for delay, rows in by_delay.items():
        tables.append((f"the engine alone, {title_of(delay)}", HEADINGS, engine_rows(rows)))
    return [table for table in tables if table[2]]


def title_of(delay_ms: float) -> str:
    """Return the title of the runs with this delay."""
    return f"{delay_ms:g} ms per reply" if delay_ms else "replies at once"


def figures_of(result: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the other figures, as pairs of name and value."""
    figures, lines = result["figures"], []
    if latency := figures.get("latency"):
        for phase, name in (("idle", "idle"), ("busy", f"during bulk email ({latency['bulk_per_second']:,.0f}/s)")):
            part = latency[phase]
            lines.append((f"sign-up to accepted, {name}", f"p50 {part['p50_ms']:.0f} ms, p99 {part['p99_ms']:.0f} ms"))
    if hook := figures.get("hook"):
        commit = f"commit without it {hook['without_us'] / 1000:.2f} ms, with it {hook['with_us'] / 1000:.2f} ms"
        lines.append(("added to a commit by the outbox", f"{hook['hook_us'] / 1000:.2f} ms ({commit})"))
    if fanout := figures.get("fanout"):
        rate = f"{fanout['seconds']:.1f} s, {fanout['rows_per_second']:,.0f} rows/s"
        lines += [
            (f"plain fan-out of {fanout['rows']:,} notifications", rate),
            ("its longest transaction", f"{fanout['longest_transaction_seconds']:.2f} s"),
            ("its memory", f"{fanout['peak_mb']:.0f} MB at most, {fanout['memory_before_mb']:.0f} MB before"),
        ]
        real = fanout["expansion"]
        ratio = f"{real['seconds'] / fanout['seconds']:.2f} x the plain one"
        lines += [
            (f"expansion of an announcement to {real['rows']:,}", f"{real['seconds']:.1f} s, {ratio}"),
            ("its longest transaction", f"{real['longest_transaction_seconds']:.2f} s"),
            ("its memory", f"{real['peak_mb']:.0f} MB at most, {real['memory_before_mb']:.0f} MB before"),
        ]
    return lines


def show(result: dict[str, Any], console: Console) -> None:
    """Print all tables and figures."""
    for title, headings, rows in tables_of(result):
        table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
        for place, heading in enumerate(headings):
            table.add_column(heading, justify="right" if place else "left", no_wrap=True)
        for row in rows:
            table.add_row(*row, style="bold" if row[0] == OURS else None)
        console.print(table)
    for name, text in figures_of(result):
        console.print(f"{name}: [bold]{text}[/]")


def markdown(result: dict[str, Any]) -> str:
    """Return the part of docs/performance.md with the figures."""
    lines = [f"Command: `{result['command']}`, {result['measured_at'][:10]}.", ""]
    lines += [f"{name}: {text}  " for name, text in result["machine"].items()]
    for title, headings, rows in tables_of(result):
        lines += ["", f"### {title.capitalize()}", "", _line(headings), _line(("---", *("---:" for _ in headings[1:])))]
        lines += [_line(row) for row in rows]
    if figures := figures_of(result):
        lines += ["", "### Other figures", "", _line(("figure", "measured")), _line(("---", "---"))]
        lines += [_line(pair) for pair in figures]
    names = dict.fromkeys(run["contender"] for run in result["runs"])
    lines += ["", *(f"* **{name}**: {ALL[name].how}" for name in names)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
