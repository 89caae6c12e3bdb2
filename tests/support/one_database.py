"""For modules whose tests are about no row: one database is enough."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def database_url(tmp_path: Path, migrated_sqlite: Path) -> str:
    path = tmp_path / "notifier.db"
    shutil.copy(migrated_sqlite, path)
    return f"sqlite:///{path}"
