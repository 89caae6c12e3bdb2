"""Logs: what is cut, where they go, and what happens when they cannot be written."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import structlog
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from notifier.observability import logs

ROOT = Path(__file__).parents[2]


@pytest.fixture
def restored() -> Iterator[None]:
    """The logging of the tests, back afterwards."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    alembic = [logging.getLogger(f"alembic.runtime.{name}") for name in ("migration", "plugins")]
    levels = [each.level for each in alembic]
    yield
    for each, of_alembic in zip(alembic, levels, strict=True):
        each.setLevel(of_alembic)
    for handler in root.handlers:
        with suppress(OSError):  # of /dev/full
            handler.close()
    root.handlers = handlers
    root.setLevel(level)
    structlog.configure(**before)


def written(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def deep(levels: int, text: str) -> None:
    if levels:
        deep(levels - 1, text)
    else:
        raise LookupError(text)


@pytest.mark.parametrize("way", ["structlog", "logging"])
@pytest.mark.parametrize("text", ["the very reason", "x" * 50_000 + "the very reason"], ids=["deep", "wordy"])
@pytest.mark.usefixtures("restored")
def test_a_long_traceback_keeps_its_end_where_the_error_is(tmp_path: Path, way: str, text: str) -> None:
    logs.configure(file=tmp_path / "log")
    try:
        try:
            raise KeyError("y" * 9000)
        except KeyError as cause:
            try:
                deep(30, "z" * 9000)
            except LookupError:
                raise LookupError(text) from cause
    except LookupError:
        if way == "structlog":
            structlog.get_logger("one").error("it.broke", exc_info=True)
        else:
            logging.getLogger("one").exception("it.broke")
    (event,) = written(tmp_path / "log")
    assert event["event"] == "it.broke"
    assert event["exception"].endswith("the very reason")
    assert event["exception"].startswith("Traceback")
    assert event["error"] == "LookupError"
    assert len(event["exception"]) < 10_000


@pytest.mark.usefixtures("restored")
def test_a_check_of_the_schema_writes_no_line(tmp_path: Path) -> None:
    logs.configure(file=tmp_path / "log")
    with create_engine("sqlite://").connect() as connection:
        MigrationContext.configure(connection)
    logging.getLogger("alembic.runtime.migration").warning("a warning")
    assert [line["event"] for line in written(tmp_path / "log")] == ["a warning"]


def test_the_first_check_of_the_schema_which_loads_alembic_writes_no_line() -> None:
    program = (
        "import sys\n"
        "from sqlalchemy import create_engine\n"
        "from notifier import resources\n"
        "from notifier.database.schema import Schema\n"
        "from notifier.observability import logs\n"
        "logs.configure()\n"
        "assert 'alembic' not in sys.modules\n"
        "with create_engine('sqlite://').connect() as connection:\n"
        "    Schema(resources.migrations()).state(connection)\n"
        "assert 'alembic' in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.usefixtures("restored")
def test_a_long_value_keeps_both_ends_and_says_what_is_missing(tmp_path: Path) -> None:
    logs.configure(file=tmp_path / "log")
    logging.getLogger("one").info("begin %s end", "x" * 10_000)
    (event,) = written(tmp_path / "log")
    assert event["event"].startswith("begin x")
    assert event["event"].endswith("x end")
    assert "characters left out" in event["event"]
    assert len(event["event"]) < 2100


@pytest.mark.usefixtures("restored")
def test_a_full_volume_raises_nothing_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    logs.configure(file="/dev/full")
    for number in range(100):
        logging.getLogger("one").info("event %d %s", number, "x" * 500)
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("restored")
def test_a_log_folder_that_is_gone_and_back_has_the_later_lines_and_how_many_are_missing(tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    logs.configure(file=folder / "log")
    log = logging.getLogger("one")
    log.info("before")
    shutil.rmtree(folder)
    log.info("lost")
    log.info("lost, too")
    folder.mkdir()
    log.info("after")
    lost, after = written(folder / "log")
    assert "lines_lost: 2" in lost["event"]
    assert after["event"] == "after"


@pytest.mark.usefixtures("restored")
def test_a_log_file_that_cannot_be_opened_is_told_and_standard_error_takes_its_place(
    capfd: pytest.CaptureFixture[str],
) -> None:
    logs.configure(file="/nowhere/at/all/log")
    logging.getLogger("one").info("still here")
    told, here = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert "/nowhere/at/all/log" in told["event"]
    assert here["event"] == "still here"


def test_the_log_file_of_a_celery_command_gets_its_lines(tmp_path: Path) -> None:
    """beat without a broker says so at once; that is enough to see where it goes."""
    log = tmp_path / "beat.log"
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("CELERY_")},
        "NOTIFIER_DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1/0", "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "ignore",
    }  # fmt: skip
    command = [sys.executable, "-m", "celery", "-A", "wsgi:celery_app", "beat", "--pidfile=", "-S",
               "celery.beat:Scheduler", "--logfile", str(log)]  # fmt: skip
    with subprocess.Popen(command, env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as beat:
        try:
            for _ in range(400):
                if log.exists() and log.read_text().count("\n") >= 1:
                    break
                try:
                    beat.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            beat.kill()
        said = beat.communicate(timeout=10)[0].decode()
    assert written(log), said[:2000]
