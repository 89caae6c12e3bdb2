"""A command in a folder without data names the `up` that runs elsewhere."""

from pathlib import Path

import pytest

from notifier.cli.refusals import no_tables
from notifier.config.running import known_to_others, running
from notifier.dev.datalock import data_lock
from notifier.dev.first_login import keep_login
from notifier.dev.plan import Ports
from notifier.dev.stack import banner
from notifier.testing.settings import make_settings


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def test_a_running_up_is_named_with_its_path(tmp_path: Path) -> None:
    here, elsewhere = tmp_path / "here" / "notifier.db", tmp_path / "the data"
    assert no_tables(str(here)).endswith("if this is a new database, run: notifier db upgrade")
    with data_lock(elsewhere), known_to_others(elsewhere):
        assert no_tables(str(here)) == (
            f"No tables in {here}. `up` is running with its data in {elsewhere}: "
            f"to use that, run: NOTIFIER_DATA_DIR='{elsewhere}' notifier …; "
            "if this is a new database, run: notifier db upgrade"
        )
        assert "`up` is running" not in no_tables(str(elsewhere / "notifier.db")), "it is that one"
    assert running() == []


def test_one_that_was_killed_is_not_named(tmp_path: Path, state: Path) -> None:
    gone = tmp_path / "gone"
    with known_to_others(gone):
        assert len([*(state / "notifier" / "up").iterdir()]) == 1
        assert running() == []


def test_a_state_folder_that_cannot_be_written_to_stops_nothing(tmp_path: Path, state: Path) -> None:
    state.write_text("a file")
    with known_to_others(tmp_path):
        assert running() == []


def test_the_banner_has_the_login(tmp_path: Path) -> None:
    def shown() -> str:
        ports = Ports("127.0.0.1", 1, 2, 3, 4)
        return banner(make_settings(), ports, "http://127.0.0.1:1", tmp_path, with_inbox=True)

    assert "  login  " not in shown()
    keep_login(tmp_path, "operator@notifier.example", "a-password")
    assert "  login    operator@notifier.example  a-password\n" in shown()
