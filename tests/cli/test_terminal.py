"""What commands print: nothing in it is obeyed by a terminal, hides other text or turns it around."""

import ast
import json
import unicodedata
from pathlib import Path

import pytest
from sqlalchemy import update

import notifier.cli
from notifier.dev.console import Console
from notifier.extensions import db
from notifier.mail.characters import escaped
from notifier.models import Campaign, Notification, User
from tests.support.campaigns import expand, make_campaign, make_people, start_run
from tests.support.commands import Run

pytestmark = pytest.mark.usefixtures("frozen", "context")

#: Sets the title of a window, clears the screen, turns text around, and is half a character.
HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp.exe\u2066\u2028[red]\x7f\r"


def is_calm(text: str) -> bool:
    """Whether a terminal shows all of `text` as it is."""
    return all(char == "\n" or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in text)


@pytest.fixture
def hostile_rows(frozen: object) -> str:
    """A campaign, its run, its people and what a server said: all of them hostile. Returns an address."""
    make_people(2)
    run_id = start_run(make_campaign(title=f"News {HOSTILE}"))
    expand(run_id)
    db.session.execute(update(User).values(display_name=f"Ada {HOSTILE}"))
    db.session.execute(
        update(Notification).values(
            status="failed", reason_code="refused", last_code=550, last_text=f"no {HOSTILE}", recipient=HOSTILE
        )
    )
    db.session.execute(update(Campaign).values(paused_reason=HOSTILE, state="paused", audience={"locales": [HOSTILE]}))
    db.session.commit()
    return "user1@example.com"


COMMANDS = (
    ("campaign", "list"), ("campaign", "show", "news"), ("why", "user1@example.com"), ("plan", "news", "--sample"),
    ("audit",), ("health",), ("unknown", "list"), ("operator", "list"), ("simulate", "--days", "2"),
)  # fmt: skip


def test_no_value_of_a_row_reaches_the_terminal_as_it_is(run: Run, hostile_rows: str) -> None:
    shown = ""
    for words in COMMANDS:
        result = run(*words)
        assert is_calm(result.output), words
        assert not isinstance(result.exception, Exception) or isinstance(result.exception, SystemExit), words
        shown += result.output
    assert "\\x1b]0;owned\\x07" in shown
    assert "\\u202e" in shown


def test_json_of_a_command_is_calm_and_means_the_same(run: Run, hostile_rows: str) -> None:
    for words in (("campaign", "show", "news"), ("why", hostile_rows), ("campaign", "list")):
        result = run(*words, "--json")
        assert is_calm(result.stdout), words
        assert json.loads(result.stdout)
    assert json.loads(run("campaign", "show", "news", "--json").stdout)["campaign"]["title"] == f"News {HOSTILE}"


def test_what_a_command_refuses_is_named_safely(run: Run) -> None:
    for words in (
        ("campaign", "show", HOSTILE), ("why", HOSTILE), ("operator", "disable", HOSTILE), ("check-dns", HOSTILE),
        ("campaign", "create", "x", "--kind", HOSTILE), ("campaign", "edit", "x", "--set", HOSTILE), (HOSTILE,),
        ("campaign", "create", "x", "--kind", "announcement", "--set", f"title=a{HOSTILE}"), ("plan", f"--{HOSTILE}"),
    ):  # fmt: skip
        result = run(*words)
        assert result.exit_code in (1, 2), words
        assert is_calm(result.output), words


def test_a_reason_begins_no_line_of_its_own(run: Run) -> None:
    run_id = start_run(make_campaign())
    run("campaign", "pause", "news", "--run", str(run_id), "--reason", "it is\nSending may begin.")
    said = run("campaign", "resume", "news").output
    assert "it is\\nSending may begin." in said


def test_a_line_of_a_child_is_safe(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        Console(stream, ["web"]).line("web", f"said {HOSTILE}")
    assert is_calm((tmp_path / "out").read_text())


@pytest.mark.parametrize(
    "kept", ["a\tb\n", "\U0001f469\u200d\U0001f467 \u2764\ufe0f", "\u0645\u06cc\u200c\u062e", "Zoë"]
)
def test_what_people_write_stays(kept: str) -> None:
    assert escaped(kept) == kept


def test_every_harmful_character_is_shown_by_its_code() -> None:
    codes = {*range(32), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xD800} - {9, 10}
    for char in map(chr, codes):
        assert escaped(f"a{char}b") == f"a{char.encode('unicode_escape').decode()}b"


#: Ways around `notifier.cli.showing`.
DOORS = {"echo", "secho", "print", "print_json", "write", "Console", "Progress", "dumps"}


def test_commands_print_through_one_place() -> None:
    (folder,) = notifier.cli.__path__
    found = [
        f"{path.name}:{node.lineno}"
        for path in Path(folder).glob("*.py")
        if path.name != "showing.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in DOORS
    ]
    assert found == []
