"""Which tests of a run go to one process: those of a file, and those that share what is dear to start."""

from xdist.scheduler import LoadFileScheduling

#: Beginnings of the ids of tests that share one stack, the fixture `up`.
STACK = ("tests/e2e/test_day.py::test_a_day_at_the_desk[sqlite]", "tests/e2e/test_stack.py")


class Sharing(LoadFileScheduling):
    """A file in a process, as `--dist loadfile` has it; all that shares the stack counts as one file."""

    def _split_scope(self, nodeid: str) -> str:
        """The name of the group of this test."""
        return "the stack" if nodeid.startswith(STACK) else str(super()._split_scope(nodeid))
