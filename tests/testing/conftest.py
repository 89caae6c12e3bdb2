"""A project of other people: files in a folder, and a pytest of its own."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run_pytest(folder: Path) -> str:
    """Run the tests in `folder` in a process of its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(folder)],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=50,
    )  # fmt: skip
    return done.stdout + done.stderr


def files_of(page: str) -> dict[str, str]:
    """Return the files that a page of docs/ shows: a name in a paragraph of its own, and a block of code below it."""
    text = (ROOT / "docs" / page).read_text("utf-8")
    return dict(re.findall(r"^`([\w./]+)`:\n\n```\w+\n(.*?)```", text, re.DOTALL | re.MULTILINE))


def write_project(files: Mapping[str, str], folder: Path) -> Path:
    """Write these files below `folder` as a project with tests, in which a warning is an error."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    return folder


@pytest.fixture
def pytester_like(tmp_path: Path) -> Callable[[str], str]:
    """Run one test module of other people."""

    def run(module: str) -> str:
        (tmp_path / "conftest.py").write_text('pytest_plugins = ["notifier.testing.fixtures"]\n')
        (tmp_path / "pytest.ini").write_text("[pytest]\n")
        (tmp_path / "test_theirs.py").write_text(textwrap.dedent(module))
        return run_pytest(tmp_path)

    return run
