"""docs/settings.md says of every setting what the code says: its default, and what it must be."""

import re
from pathlib import Path
from typing import Any

import pytest

from notifier.config.settings import Settings
from notifier.config.text import allowed

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "settings.md").read_text()
ROWS = {
    name: (default, must, meaning)
    for name, default, must, meaning in re.findall(r"(?m)^\| `([A-Z0-9_]+)` \| (.*?) \| (.*?) \| (.*) \|$", PAGE)
}
OTHERS = {"WEB_CONCURRENCY", "WEB_THREADS"}


def test_the_page_has_every_setting_and_no_other() -> None:
    assert sorted(ROWS) == sorted({name.upper() for name in Settings.model_fields} | OTHERS)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_a_row_says_what_the_code_says(name: str) -> None:
    default, must, meaning = ROWS[name.upper()]
    field = Settings.model_fields[name]
    assert must == allowed(field)
    assert shown(field.default, default) == default
    assert meaning


def shown(value: Any, written: str) -> str:
    """The default as the page writes it. What is not set may say what then counts."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in (None, "") or isinstance(value, list):
        return written if written.startswith("not set") else "not set"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def test_the_readme_sends_people_there() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "(docs/settings.md)" in readme
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", readme))
    assert named <= set(ROWS)
