"""What `./run test` leaves to the check: of each test for both databases, one of them."""

from tests.support.long import is_left_to_the_other


def test_one_of_both_databases_is_left() -> None:
    for number in range(20):
        pair = {f"tests/x.py::test_{number}[{database}-a]" for database in ("sqlite", "postgres")}
        assert sum(is_left_to_the_other(each, pair) for each in pair) == 1


def test_each_database_keeps_about_half() -> None:
    pairs = [{f"tests/x.py::test_{number}[{database}]" for database in ("sqlite", "postgres")} for number in range(200)]
    kept = [each for pair in pairs for each in pair if not is_left_to_the_other(each, pair)]
    assert 60 < sum("sqlite" in each for each in kept) < 140


def test_what_has_one_database_stays() -> None:
    assert not is_left_to_the_other("tests/x.py::test_y[postgres]", {"tests/x.py::test_y[postgres]"})
    assert not is_left_to_the_other("tests/x.py::test_y", {"tests/x.py::test_y"})
    assert not is_left_to_the_other("tests/test_sqlite.py::test_y", {"tests/test_sqlite.py::test_y"})
