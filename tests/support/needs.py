"""Programs that a machine may lack: without them a test is skipped, with how to install them."""

import os
from collections.abc import Callable

import pytest

from notifier.testing.servers.process import NotInstalled


def need(find: Callable[[], object], name: str) -> None:
    """Skip the test if `find` does not find the program; let it fail under REQUIRE_<name>=1."""
    try:
        find()
    except NotInstalled as error:
        if os.environ.get(f"REQUIRE_{name}") == "1":
            pytest.fail(f"NOT RUN: {error}")
        pytest.skip(f"NOT RUN: {error}")
