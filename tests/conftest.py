"""What all tests share. It imports next to nothing, so that a test of a plain room starts in a second.

Databases, applications and the frozen clock are in `tests/support/applications.py`.
"""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.long import LONG_FILES, is_left_to_the_other, is_long
from tests.support.shares import Sharing

# As `./run` has it: without compiled modules each process that a test starts compiles the whole application anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False
#: A test must not find the `up` of the person who runs it, nor leave anything there.
os.environ["XDG_STATE_HOME"] = "/nonexistent"

#: Rooms whose tests need no application, no database and no frozen clock: none of those fixtures exists there.
PLAIN = ("content", "mail", "scheduling", "security", "sender_auth")

APPLICATIONS = "tests.support.applications"


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Register the fixtures of applications before the first module that may ask for them is imported."""
    if isinstance(collector, pytest.Module) and collector.path.parent.name not in PLAIN:
        collector.config.pluginmanager.import_plugin(APPLICATIONS)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out whole files of long tests if all long tests are left out: each process of the run would import them."""
    if config.option.markexpr != "not long" or collection_path.suffix != ".py":
        return None
    return collection_path.relative_to(config.rootpath).as_posix() in LONG_FILES or None


#: The folders with the longest tests: they begin first, so that no process of the run is left with one at the end.
DEAR = ("e2e", "tasks", "smtp", "admin")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what takes long. Dear folders first; all else in its order (`--no-loadscope-reorder` keeps it)."""
    ids = {item.nodeid for item in items}
    for item in items:
        if is_long(item) or is_left_to_the_other(item.nodeid, ids):
            item.add_marker("long")
    ranks = {folder: rank for rank, folder in enumerate(DEAR)}
    items.sort(key=lambda item: ranks.get(item.path.parent.name, len(ranks)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing | None:
    """Several processes: see `Sharing`."""
    return Sharing(config, log) if config.option.dist == "loadfile" else None


@pytest.fixture(autouse=True)
def _no_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings of whoever runs the tests are not the settings of the tests."""
    for name in list(os.environ):
        if name.startswith(("MAIL_", "NOTIFIER_", "CELERY_", "INBOUND_")) or name in {
            "PUBLIC_URL", "SECRET_KEYS", "DATABASE_URL", "REDIS_URL", "RATELIMIT_ENABLED", "INBOX_URL",
        }:  # fmt: skip
            monkeypatch.delenv(name)
