"""`python -m tests.support.supervise PLAN.json`: a supervisor with the children of a test."""

import json
import sys
from pathlib import Path

from notifier.dev.child import Child
from notifier.dev.console import Console
from notifier.dev.supervisor import GivenUpError, Patience, Supervisor


def main() -> None:
    """The plan: a list of waves of children, the fields of Child by name."""
    folder = Path(sys.argv[1]).parent
    waves = [[child(fields) for fields in wave] for wave in json.loads(Path(sys.argv[1]).read_text())]
    console = Console(sys.stdout, [one.name for wave in waves for one in wave])
    patience = Patience(first_pause=0.05, longest_pause=0.2, failures=3, stable=30, ready=5, tick=0.02)
    supervisor = Supervisor(waves, cwd=folder, log_dir=folder / "log", console=console, patience=patience)
    try:
        supervisor.run(lambda: console.say("all ready"))
    except GivenUpError as error:
        sys.exit(str(error))


def child(fields: dict[str, object]) -> Child:
    """A Child from JSON."""
    ready_file = fields.pop("ready_file", None)
    return Child(ready_file=Path(str(ready_file)) if ready_file else None, **fields)  # type: ignore[arg-type]


main()
