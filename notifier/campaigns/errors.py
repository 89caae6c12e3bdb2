"""What people are told about campaigns."""

from collections.abc import Sequence


class CampaignError(ValueError):
    """A campaign or run that cannot be, or cannot do this now. The text is for the person who asked."""


class Invalid(CampaignError):
    """What was written cannot be. `problems` are (field, words), one for each mistake."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{field}: {words}" if field else words for field, words in problems))
        self.problems = tuple(problems)


class Changed(CampaignError):
    """Somebody else was first: what was seen is not what is there."""
