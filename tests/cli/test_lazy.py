"""Commands are imported when they run: the help needs none of them, and the list of all of them is true."""

import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from click.testing import CliRunner

from notifier.cli.commands import COMMANDS
from notifier.cli.main import build

ROOT = Path(__file__).parents[2]

#: The packages that cost most, and all of our own that know a database or a setting.
DEAR = {"flask", "sqlalchemy", "celery", "pydantic", "rich", "notifier.app", "notifier.config", "notifier.services"}


def imported_by(*words: str) -> set[str]:
    """All modules of a process of its own that ran `notifier` with these words."""
    code = (
        "import sys, click\n"
        "from notifier.__main__ import cli\n"
        f"try: cli({words!r}, prog_name='notifier')\n"
        "except SystemExit as end: assert not end.code\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_help_and_the_version_import_no_command(word: str) -> None:
    assert imported_by(word) & DEAR == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_where_the_list_says(name: str) -> None:
    command = resolve_name(COMMANDS[name].path)
    assert isinstance(command, click.Command)
    assert (command.name, command.get_short_help_str(1000)) == (name, COMMANDS[name].summary)


def test_each_command_of_the_package_is_reached() -> None:
    """In this process all modules are imported, and all commands added to their groups."""
    modules = [resolve_name(f"notifier.cli.{path.stem}") for path in (ROOT / "notifier" / "cli").glob("[a-z]*.py")]
    made = [value for module in modules for value in vars(module).values() if isinstance(value, click.Command)]
    reached = [resolve_name(command.path) for command in COMMANDS.values()]
    for group in filter(lambda command: isinstance(command, click.Group), reached):
        reached = [*reached, *group.commands.values()]
    assert {id(command) for command in made} <= {id(command) for command in reached}


def test_a_group_has_all_its_commands_in_a_process_of_its_own() -> None:
    """Several modules add to `campaign`."""
    code = f"from pkgutil import resolve_name; print(*resolve_name({COMMANDS['campaign'].path!r}).commands)"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(shown.stdout.split()) == set(resolve_name("notifier.cli.campaign_runs:campaign").commands)


def test_the_help_names_every_command_and_a_wrong_name_is_refused() -> None:
    command = build(lambda: pytest.fail("no command needs an application here"))
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.output.partition("Commands:\n")[2].splitlines()] == sorted(COMMANDS)
    wrong = CliRunner().invoke(command, ["campain"])
    assert (wrong.exit_code, "No such command 'campain'" in wrong.output) == (2, True)
