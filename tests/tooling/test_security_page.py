"""docs/security.md names what holds its claims: each test and module is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text()
NAMED = sorted(set(re.findall(r"`((?:tests|notifier)/[\w/]+\.py(?:::\w+)?)`", PAGE)))


@pytest.mark.parametrize("name", NAMED)
def test_what_holds_a_claim_exists(name: str) -> None:
    path, _, function = name.partition("::")
    assert f"def {function}" in (ROOT / path).read_text()


def test_every_row_names_what_holds_it() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| what |")]
    assert len(rows) > 20
    assert [row for row in rows if not re.search(r"`(tests|notifier)/\S+`", row.rsplit(" | ", 1)[-1])] == []


def test_people_find_it() -> None:
    assert "(docs/security.md)" in (ROOT / "README.md").read_text()
