"""The audience of a campaign, as people write it: all accounts, unless it is narrowed."""

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator
from sqlalchemy import ColumnElement, SQLColumnExpression, or_

from notifier.emails.campaign_kind import Exclusion
from notifier.emails.mistakes import plain
from notifier.models import User

#: Shares are rounded to a thousandth.
PARTS = 1000


class Audience(BaseModel):
    """Conditions on the people who may get the email. Each that is set must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    #: Widens or narrows what the kind reaches: True for confirmed accounts only, False for unconfirmed ones only, "any"
    #: for both. None: as the kind says.
    verified: bool | Literal["any"] | None = None
    #: [signed_up_from, signed_up_before)
    signed_up_from: AwareDatetime | None = None
    signed_up_before: AwareDatetime | None = None
    #: "de" includes "de-AT". Empty: all.
    locales: tuple[str, ...] = ()
    #: Both are included.
    user_from: int | None = Field(None, ge=1)
    user_to: int | None = Field(None, ge=1)
    #: Roughly this share of all accounts, always the same ones: 0.1 is a tenth.
    share: float | None = Field(None, gt=0, le=1)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.signed_up_from and self.signed_up_before and self.signed_up_from >= self.signed_up_before:
            raise ValueError("signed_up_from must be before signed_up_before")
        if self.user_from and self.user_to and self.user_from > self.user_to:
            raise ValueError("user_from must not be above user_to")
        if not all(self.locales):
            raise ValueError("a locale must not be empty")
        return self

    def exclusions(self) -> list[Exclusion]:
        """Return one exclusion for each condition set. `verified`: see `CampaignOccasion.reaches`."""
        found = [self._signed_up(), self._locale(), self._users(), self._share()]
        return [exclusion for exclusion in found if exclusion is not None]

    def _signed_up(self) -> Exclusion | None:
        outside: list[ColumnElement[bool]] = []
        if self.signed_up_from:
            outside.append(User.created_at < self.signed_up_from)
        if self.signed_up_before:
            outside.append(User.created_at >= self.signed_up_before)
        words = "they did not sign up in the time that the campaign is for"
        return _any("audience_signed_up", words, outside, {"signed up at": User.created_at})

    def _locale(self) -> Exclusion | None:
        if not self.locales:
            return None
        variants = [User.locale.startswith(f"{locale}-", autoescape=True) for locale in self.locales]
        words = f"the campaign is for other languages: {', '.join(self.locales)}"
        other = ~or_(User.locale.in_(self.locales), *variants)
        return Exclusion("audience_locale", words, other, {"locale": User.locale})

    def _users(self) -> Exclusion | None:
        outside: list[ColumnElement[bool]] = []
        if self.user_from:
            outside.append(User.id < self.user_from)
        if self.user_to:
            outside.append(User.id > self.user_to)
        return _any("audience_users", "the campaign is for other accounts", outside, {"user": User.id})

    def _share(self) -> Exclusion | None:
        if self.share is None or self.share == 1:
            return None
        # Multiplying by a prime spreads neighbouring keys over all parts.
        part = (User.id % 1_000_003) * 7919 % PARTS
        words = f"the campaign is for {self.share:.1%} of all accounts, and this is not one of them"
        return Exclusion("audience_share", words, part >= round(self.share * PARTS), {"user": User.id})


def _any(
    code: str, words: str, outside: list[ColumnElement[bool]], values: Mapping[str, SQLColumnExpression[Any]]
) -> Exclusion | None:
    return Exclusion(code, words, or_(*outside), values) if outside else None


def lines_of(error: ValidationError, prefix: str = "") -> list[str]:
    """Return one line per mistake, which begins with the name of the setting."""
    lines = []
    items = error.errors(include_url=False, include_input=False)
    # Pydantic does not count refused items, so that a list of them is also too short.
    lists = {item["loc"][:-1] for item in items}
    for item in items:
        if item["type"] == "too_short" and item["loc"] in lists:
            continue
        parts = (str(part) for part in item["loc"] if isinstance(part, int) or part.isidentifier())
        place = ".".join(filter(None, [prefix, *parts]))
        text = plain(item)
        lines.append(f"{place}: {text}" if place else f": {text}")
    return lines
