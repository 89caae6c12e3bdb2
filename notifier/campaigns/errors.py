"""Errors about campaigns, with texts for people."""

from collections.abc import Sequence


class CampaignError(ValueError):
    """A campaign or run that is invalid, or cannot do this now. The text is for the person who asked."""


class Invalid(CampaignError):
    """Invalid input. `problems`: (field, text for people), one per mistake."""

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        super().__init__("\n".join(f"{field}: {words}" if field else words for field, words in problems))
        self.problems = tuple(problems)


class Changed(CampaignError):
    """Another operator changed the campaign first, so the input is out of date."""
