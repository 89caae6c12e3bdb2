"""Commands are imported when they run: the help needs none of them, and the list of all of them is true."""

import gc
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from pkgutil import resolve_name

import click
import pytest
from click.testing import CliRunner

from notifier.cli.commands import BOUNCES, CAMPAIGN, COMMANDS, INSIDE, SUPPRESSIONS, USERS, WEBHOOKS
from notifier.cli.lazy import Lazy, load
from notifier.cli.main import build

ROOT = Path(__file__).parents[2]

#: The packages that cost most, and all of our own that know a database or a setting.
DEAR = {"flask", "sqlalchemy", "celery", "pydantic", "rich", "notifier.app", "notifier.config", "notifier.services"}


#: The packages that only an application needs.
OF_APPLICATIONS = {"flask", "celery", "alembic", "redis", "notifier.app", "notifier.services"}

ALL = [
    *COMMANDS.items(),
    *CAMPAIGN.items(),
    *BOUNCES.items(),
    *SUPPRESSIONS.items(),
    *USERS.items(),
    *WEBHOOKS.items(),
    *INSIDE.items(),
]


def imported_by(*words: str, env: Mapping[str, str] | None = None, code: int = 0) -> set[str]:
    """All modules of a process of its own that ran `notifier` with these words, and ended with `code`."""
    script = (
        "import sys, click\n"
        "from notifier.__main__ import cli\n"
        f"try: cli({words!r}, prog_name='notifier')\n"
        f"except SystemExit as end: assert end.code == {code}, end.code\n"
        "print(*sys.modules)"
    )
    surroundings = {**os.environ, **(env or {})}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=surroundings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize("word", ["--help", "--version"])
def test_the_help_and_the_version_import_no_command(word: str) -> None:
    assert imported_by(word) & DEAR == set()


def test_campaigns_are_listed_without_an_application(tmp_path: Path) -> None:
    found = imported_by("campaign", "list", env={"NOTIFIER_DATA_DIR": str(tmp_path)}, code=1)
    assert "notifier.campaigns.overview" in found
    assert found & OF_APPLICATIONS == set()


def test_bounces_are_classified_without_an_application_and_without_a_database(tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_bytes(b"Subject: x\n\nx")
    found = imported_by("bounces", "classify", str(tmp_path / "x.eml"), "--json")
    assert "notifier.bounces.reading" in found
    assert found & (OF_APPLICATIONS | {"sqlalchemy", "pydantic", "notifier.config", "email.parser"}) == set()


@pytest.mark.parametrize("path", ["this_module:is_absent", "string:capwords"])
@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_again_after_an_import(path: str, collects: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with suppress(ModuleNotFoundError):
            load(path)
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()


@pytest.mark.parametrize(("name", "lazy"), ALL)
def test_each_command_is_where_the_list_says(name: str, lazy: Lazy) -> None:
    command = resolve_name(lazy.path)
    assert isinstance(command, click.Command)
    assert (command.name, command.get_short_help_str(1000)) == (name, lazy.summary)


def test_each_command_of_the_package_is_in_a_list() -> None:
    modules = [resolve_name(f"notifier.cli.{path.stem}") for path in (ROOT / "notifier" / "cli").glob("[a-z]*.py")]
    made = [value for module in modules for value in vars(module).values() if isinstance(value, click.Command)]
    listed = [resolve_name(command.path) for _, command in ALL]
    inner = [command for group in listed if isinstance(group, click.Group) for command in group.commands.values()]
    assert {id(command) for command in made} == {id(command) for command in [*listed, *inner]}


def test_the_help_names_every_command_and_a_wrong_name_is_refused() -> None:
    command = build(lambda: pytest.fail("no command needs an application here"))
    shown = CliRunner().invoke(command, ["--help"])
    assert shown.exit_code == 0
    assert [line.split()[0] for line in shown.output.partition("Commands:\n")[2].splitlines()] == sorted(COMMANDS)
    wrong = CliRunner().invoke(command, ["no-such"])
    assert (wrong.exit_code, "No such command 'no-such'" in wrong.output) == (2, True)
