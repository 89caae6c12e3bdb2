"""The log file of a child: it may be moved or deleted at any time, and the next line opens it anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from notifier.dev.logfile import LogFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log" / "web.log"


@pytest.fixture
def log(path: Path) -> Iterator[LogFile]:
    log = LogFile(path)
    log.write(b"before\n")
    yield log
    log.close()


def test_a_log_that_was_deleted_comes_back(log: LogFile, path: Path) -> None:
    path.unlink()
    assert log.write(b"after\n") is None
    assert path.read_bytes() == b"after\n"


def test_a_log_whose_folder_was_deleted_comes_back(log: LogFile, path: Path) -> None:
    path.unlink()
    path.parent.rmdir()
    assert log.write(b"after\n") is None
    assert path.read_bytes() == b"after\n"


def test_a_log_that_was_rotated_starts_anew(log: LogFile, path: Path) -> None:
    old = path.replace(path.with_suffix(".log.old"))
    path.touch()
    log.write(b"after\n")
    assert (old.read_bytes(), path.read_bytes()) == (b"before\n", b"after\n")


def test_a_log_that_stays_is_appended_to(log: LogFile, path: Path) -> None:
    log.write(b"after\n")
    assert path.read_bytes() == b"before\nafter\n"
