"""A command that meets a wrong or absent database says what to do, in one line."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from notifier.__main__ import cli
from notifier.config.settings import Settings
from notifier.testing.servers.postgres import PostgresServer


@pytest.fixture(autouse=True)
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set a data folder without a database, and no other setting."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path))


def error() -> str:
    result = CliRunner().invoke(cli, ["campaign", "list"])
    assert result.exit_code == 1
    return result.output


def test_a_folder_without_tables_is_named(tmp_path: Path) -> None:
    assert error() == (
        f"Error: No tables in {tmp_path}/notifier.db. If your data is in another folder, set NOTIFIER_DATA_DIR; "
        "if this is a new database, run: notifier db upgrade\n"
    )


def test_reading_creates_neither_a_folder_nor_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "x.db"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{path}")
    assert error().startswith(f"Error: No tables in {path}. ")
    assert not path.parent.exists()


@pytest.mark.parametrize("words", [["status"], ["health"], ["health", "--json"]])
def test_a_report_names_the_folder_too_and_creates_nothing(words: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, words)
    assert (result.exit_code, result.output.startswith(f"Error: No tables in {tmp_path}/notifier.db. ")) == (1, True)
    assert "Is email going out" not in result.output
    assert not (tmp_path / "notifier.db").exists()


def test_a_server_that_does_not_answer_is_not_called_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/notifier")
    assert error().startswith("Error: The database does not answer (")


def test_a_postgres_without_tables_needs_an_upgrade(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres.url())
    assert error() == "Error: A table is missing in the database postgres. Run: notifier db upgrade\n"
