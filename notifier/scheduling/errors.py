"""Errors in schedules, with messages for the person who edits the campaign."""


class ScheduleError(ValueError):
    """The schedule cannot be used. `field` names the column of Campaign to correct."""

    def __init__(self, field: str, words: str) -> None:
        super().__init__(words)
        self.field = field
