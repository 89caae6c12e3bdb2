"""What a person chose to get, in requests and answers."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from notifier.api.shapes import Answer, ShownMoment
from notifier.consent.decisions import Wish
from notifier.models import Frequency


class ChoiceAnswer(Answer):
    """Whether a person gets the emails of a category."""

    wanted: bool
    decided_at: Annotated[ShownMoment | None, Field(description="null: they did not decide; the default holds")]


class DigestAnswer(ChoiceAnswer):
    """Whether a person gets digests, and how often."""

    frequency: Frequency


class PreferencesAnswer(Answer):
    """What a person gets. Emails about security and the account cannot be refused."""

    report: ChoiceAnswer
    digest: DigestAnswer
    news: ChoiceAnswer

    @classmethod
    def of(cls, wishes: Mapping[str, Wish]) -> "PreferencesAnswer":
        """Return these preferences."""
        names = ("wanted", "decided_at", "frequency")
        return cls.model_validate(
            {category: {name: getattr(wish, name) for name in names} for category, wish in wishes.items()}
        )
