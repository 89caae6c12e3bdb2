"""docs/testing.md is true: its files are a project, and the tests of that project pass."""

import re
from pathlib import Path

import pytest

from tests.testing.conftest import ROOT, files_of, run_pytest, write_project

PAGE = (ROOT / "docs" / "testing.md").read_text("utf-8")
FILES = files_of("testing.md")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write_project(FILES, tmp_path)


def test_the_project_of_the_page_passes(project: Path) -> None:
    assert len(FILES) == 7
    assert "4 passed" in run_pytest(project)


def test_it_would_notice_a_mistake(project: Path) -> None:
    (project / "templates/emails/order_receipt/subject.txt").write_text("Your order\n")
    assert "1 failed, 3 passed" in run_pytest(project)


def test_the_page_names_every_module() -> None:
    here = ROOT / "notifier" / "testing"
    modules = {path.stem for path in here.iterdir() if not path.name.startswith("__")} - {"fixtures"}
    named = set(re.findall(r"`(\w+)`", PAGE.partition("## Without fixtures")[2]))
    assert modules - named <= {"smtp_script", "smtp_connection"}
