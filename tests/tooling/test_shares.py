"""What goes to one process of a run."""

from pathlib import Path

import pytest

from tests.support.shares import STACK, Sharing

ROOT = Path(__file__).parents[2]


@pytest.fixture
def sharing() -> Sharing:
    """As far as it names groups; all else of it needs the processes of a run."""
    return Sharing.__new__(Sharing)


def test_all_tests_of_the_stack_are_one_group(sharing: Sharing) -> None:
    assert {sharing._split_scope(beginning) for beginning in STACK} == {"the stack"}
    assert sharing._split_scope("tests/e2e/test_stack.py::test_signup_to_inbox") == "the stack"


def test_all_others_are_grouped_by_file(sharing: Sharing) -> None:
    other = "tests/e2e/test_day.py::test_a_day_at_the_desk[postgres]"
    assert sharing._split_scope(other) == "tests/e2e/test_day.py"


@pytest.mark.parametrize("beginning", STACK)
def test_there_are_such_tests_and_they_use_the_stack(beginning: str) -> None:
    file, _, rest = beginning.partition("::")
    text = (ROOT / file).read_text()
    assert f"def {rest.partition('[')[0]}" in text
    assert '"up"' in text or "up: Up" in text
