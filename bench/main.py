"""`./run bench`: run the race, and measure the other figures of docs/performance.md."""

import argparse
import json
import os
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from bench.campaigns import ALL
from bench.children import ChildError
from bench.contenders import Notifier, PostOffice
from bench.hook import measure_hook
from bench.latency import measure_latency
from bench.machine import describe
from bench.mails import ROOT
from bench.million import measure_fanout
from bench.plot import picture
from bench.race import Plan, Run, race
from bench.report import markdown, show
from bench.servers import Stage, open_stage
from notifier import clock

FIGURES = ("latency", "hook", "fanout")
DOCUMENT = ROOT / "docs" / "performance.md"
PICTURE = ROOT / "docs" / "images" / "bench.svg"
BEGIN, END = "<!-- figures: begin -->\n", "<!-- figures: end -->\n"

#: Width of tables, in columns, if the output is no terminal.
WIDTH = 130

#: The console for progress.
told = Console(stderr=True)


#: Defaults of the command line.
FULL: dict[str, Any] = {
    "emails": 10_000, "rounds": 3, "delays": [0.0, 5.0, 20.0], "signups": 200, "commits": 500, "users": 1_000_000,
}  # fmt: skip
QUICK: dict[str, Any] = {
    "emails": 500, "rounds": 1, "delays": [0.0, 20.0], "signups": 30, "commits": 50, "users": 50_000,
}  # fmt: skip


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line. Exit with a message if it is invalid."""
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument(
        "--emails", type=int, help="emails of each run; slow contenders get fewer (10,000; with --quick 500)"
    )
    parser.add_argument("--rounds", type=int, help="rounds of each contender (3; with --quick 1)")
    parser.add_argument("--delays", type=_numbers, help="ms per reply, with commas (0,5,20; with --quick 0,20)")
    parser.add_argument("--only", type=_names, default=[*ALL, *FIGURES], help=", ".join([*ALL, *FIGURES]))
    parser.add_argument("--quick", action="store_true", help="a short test of about a minute; its figures mean little")
    parser.add_argument("--json", type=Path, help="write all measurements to this file")
    parser.add_argument("--docs", action="store_true", help="write figures and picture to docs/performance.md")
    options = parser.parse_args(arguments)
    size = QUICK if options.quick else FULL
    for name, value in size.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)
    return options


def command_of(options: argparse.Namespace) -> str:
    """Return the command that repeats the measurement, without the paths of its output."""
    delays = ",".join(f"{delay:g}" for delay in options.delays)
    words = ["./run", "bench", *["--quick"][: options.quick]]
    words += ["--emails", str(options.emails), "--rounds", str(options.rounds), "--delays", delays]
    if set(options.only) != {*ALL, *FIGURES}:
        words += ["--only", ",".join(options.only)]
    return shlex.join(words)


def _numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := set(names) - {*ALL, *FIGURES}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def measure(options: argparse.Namespace, other_python: str) -> dict[str, Any]:
    """Measure everything that was requested. Return figures for JSON."""
    contenders = [ALL[name] for name in ALL if name in options.only]
    if any(isinstance(one, PostOffice) for one in contenders) and not Path(other_python).exists():
        raise SystemExit("bench: .venv-bench is missing: start it with ./run bench")
    plan = Plan(options.emails, options.rounds, options.delays, contenders)
    result: dict[str, Any] = {
        "command": command_of(options),
        "measured_at": clock.now().isoformat(timespec="seconds"),
        "plan": {"mails": options.emails, "rounds": options.rounds, "delays_ms": options.delays},
        "runs": [],
        "figures": {},
        "error": None,
    }
    with open_stage(options.emails, other_python) as stage:
        result["machine"] = describe(other_python, stage.folder)
        try:
            _measure_into(result, stage, plan, options)
        except ChildError as error:
            # Keep the measurements made so far.
            result["error"] = str(error)
    return result


def _measure_into(result: dict[str, Any], stage: Stage, plan: Plan, options: argparse.Namespace) -> None:
    for run in race(stage, plan) if plan.contenders else ():
        _tell(run)
        result["runs"].append(run.as_dict())
    for name, figure in _figures(stage, options):
        if name in options.only:
            told.print(f"{name} …")
            result["figures"][name] = figure()


def _figures(stage: Stage, options: argparse.Namespace) -> list[tuple[str, Callable[[], dict[str, Any]]]]:
    return [
        ("latency", lambda: measure_latency(stage, options.signups, options.emails)),
        ("hook", lambda: measure_hook(stage, options.commits)),
        ("fanout", lambda: measure_fanout(stage, options.users)),
    ]


def _tell(run: Run) -> None:
    told.print(
        f"{run.delay_ms:g} ms, round {run.round}: {run.contender} {run.mails_per_second:,.0f} emails/s, "
        f"{run.cpu_per_1000:.2f} CPU s per 1,000, lost {run.lost}, doubled {run.duplicates}",
        highlight=False,
    )


def write_docs(result: dict[str, Any]) -> None:
    """Write the figures between the two marks of docs/performance.md, and draw the picture."""
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = text[: text.index(BEGIN) + len(BEGIN)], text[text.index(END) :]
    DOCUMENT.write_text(f"{before}\n{markdown(result)}\n{after}", encoding="utf-8")
    if result["runs"]:
        PICTURE.write_text(picture(result), encoding="utf-8")


def main() -> None:
    """Run the command line. Exit with 1 if a process failed or notifier lost an email."""
    options = parse(sys.argv[1:])
    # As with Ctrl-C: stop children and remove folders on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    other_python = os.environ.get("BENCH_PYTHON", str(ROOT / ".venv-bench" / "bin" / "python"))
    result = measure(options, other_python)
    show(result, Console() if sys.stdout.isatty() else Console(width=WIDTH))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    if result["error"]:
        sys.exit(f"bench: {result['error']}")
    if options.docs:
        write_docs(result)
    if any(run["lost"] for run in result["runs"] if isinstance(ALL[run["contender"]], Notifier)):
        sys.exit("bench: notifier lost emails")


if __name__ == "__main__":
    main()
