"""What is wrong with a schedule, in words for the person who wrote it."""


class ScheduleError(ValueError):
    """The schedule cannot be used. `field` names the column of Campaign that has to change."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
