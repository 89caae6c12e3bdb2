"""What is built when it is first asked: once, or never if that fails."""

import pytest

from notifier.on_demand import OnDemand


def test_a_build_that_failed_is_not_tried_again_on_what_it_left() -> None:
    tries: list[int] = []

    def build() -> object:
        tries.append(1)
        raise OSError("no room")

    wanted = OnDemand(build)  # type: ignore[arg-type]
    for _ in range(2):
        with pytest.raises(OSError, match="no room"):
            wanted.ready()
    assert len(tries) == 1
