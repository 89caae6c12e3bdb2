"""`notifier bounces classify`."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from notifier.cli.main import build

DATA = Path(__file__).parent.parent / "data" / "bounces"


def classify(*words: str, data: bytes = b"") -> Result:
    """Run the command where no application can be made, and no setting read."""
    command = build(lambda: pytest.fail("no application"), lambda: pytest.fail("no settings"))
    return CliRunner().invoke(command, ["bounces", "classify", *words], input=data)


def test_one_line_of_json_for_each_file() -> None:
    names = [str(DATA / f"{name}.eml") for name in ("postfix-unknown", "person", "arf-abuse")]
    done = classify(*names, "--json")
    assert done.exit_code == 0
    first, *others = map(json.loads, done.output.splitlines())
    assert first == {
        "file": names[0], "kind": "bounce", "verdict": "hard", "reason": "user_unknown", "code": 550,
        "enhanced": "5.1.1", "recipients": ["user@example.net"], "notification": None,
    }  # fmt: skip
    assert [(each["kind"], each["verdict"], each["reason"]) for each in others] == [
        ("other", "none", None), ("complaint", "none", "abuse")
    ]  # fmt: skip


def test_a_file_that_cannot_be_read_does_not_stop_the_others() -> None:
    done = classify("no-such.eml", str(DATA / "person.eml"), "--json")
    assert done.exit_code == 1
    first, second = map(json.loads, done.output.splitlines())
    assert first == {"file": "no-such.eml", "error": "No such file or directory"}
    assert second["kind"] == "other"


def test_our_email_is_named_with_its_mac() -> None:
    data = b"To: b+17.abcdefgh234567ij@bounces.shop.example\n" + (DATA / "qmail-unknown.eml").read_bytes()
    done = classify("-", "--json", data=data)
    assert json.loads(done.output)["notification"] == "17.abcdefgh234567ij"
    assert json.loads(done.output)["file"] == "-"


def test_a_table_for_people() -> None:
    done = classify(str(DATA / "mailbox-full.eml"), "absent")
    assert done.exit_code == 1
    for text in ("verdict", "soft", "mailbox_full", "5.2.2", "user@example.net", "No such file or directory"):
        assert text in done.output


def test_a_hostile_file_cannot_command_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "hostile.eml"
    path.write_bytes(
        b"X-Failed-Recipients: \x1b]0;owned\x07@\xe2\x80\xae.example\nSubject: failure notice\n\n550 no such user\n"
    )
    for words in ((str(path),), (str(path), "--json")):
        assert not {"\x1b", "\x07", "\u202e"} & set(classify(*words).output)
