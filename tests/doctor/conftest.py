"""A database for the long tables of cases."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def database(tmp_path: Path, migrated_sqlite: Path) -> str:
    """A database of its own on SQLite: what differs between databases is in test_ledger.py."""
    shutil.copy(migrated_sqlite, tmp_path / "doctor.db")
    return f"sqlite:///{tmp_path / 'doctor.db'}"
