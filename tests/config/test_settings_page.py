"""The tables of docs/settings.md are made from `Settings`. `UPDATE_DOCS=1 ./run test <this file>` writes them."""

import os
import re
from pathlib import Path

import pytest

from notifier.config.settings import Settings
from tests.support.settings_page import GROUPS, with_tables

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "settings.md"
OTHERS = {"WEB_CONCURRENCY", "WEB_THREADS"}


def named() -> list[str]:
    """Return the settings that have a row on the page."""
    return re.findall(r"(?m)^\| `([A-Z0-9_]+)` \|", PAGE.read_text())


def test_the_page_is_the_one_that_the_settings_make() -> None:
    made = with_tables(PAGE.read_text())
    if os.environ.get("UPDATE_DOCS") == "1":
        PAGE.write_text(made)
    assert PAGE.read_text() == made, "run UPDATE_DOCS=1 ./run test tests/config/test_settings_page.py"


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(named()) == sorted({name.upper() for name in Settings.model_fields} | OTHERS)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_has_a_description_and_belongs_to_one_group(name: str) -> None:
    assert Settings.model_fields[name].description
    assert len([group for group in GROUPS.values() if name in group.model_fields]) == 1


def test_the_readme_sends_people_there() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "(docs/settings.md)" in readme
    assert set(re.findall(r"`([A-Z]+_[A-Z_]+)`", readme)) <= set(named())
