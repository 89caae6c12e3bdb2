"""The preferences of one person as the inputs of a form, and what an operator may choose for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select

from notifier.consent import preferences
from notifier.consent.decisions import Wish
from notifier.consent.preferences import DIGEST, How
from notifier.extensions import db
from notifier.models import Consent, Frequency, User
from notifier.operators.audit_log import Actor
from notifier.services import services

_YES_OR_NO = {"yes": "Yes", "no": "No"}
_FREQUENCIES = {
    Frequency.immediate.value: "As soon as something happens",
    Frequency.daily.value: "Daily",
    Frequency.weekly.value: "Weekly",
    Frequency.monthly.value: "Monthly",
    Frequency.never.value: "Never",
}


@dataclass(frozen=True, slots=True)
class Choice:
    """The input for one category."""

    category: str
    label: str
    #: Texts by value.
    options: Mapping[str, str]
    #: What is stored, and what the form asks for.
    stored: str
    chosen: str
    #: Whether this person turned it off by a complaint, so that only they can turn it on again.
    is_locked: bool

    @property
    def is_valid(self) -> bool:
        """Whether there is such an option."""
        return self.chosen in self.options

    @property
    def has_changed(self) -> bool:
        """Whether the form asks for something else than is stored, which an operator may decide."""
        return not self.is_locked and self.chosen != self.stored


def choices_of(user: User, asked: Mapping[str, str] | None = None) -> list[Choice]:
    """Return the inputs for this person. `asked`: what was chosen in the form, by category."""
    wishes, wording = preferences.of(db.session(), user.id), services().wording
    return [
        Choice(
            category=wish.category,
            label=wording[wish.category].label,
            options=_FREQUENCIES if wish.category == DIGEST else _YES_OR_NO,
            stored=_value(wish),
            chosen=(asked or {}).get(wish.category) or _value(wish),
            is_locked=not wish.wanted and _is_by_complaint(user.id, wish.category),
        )
        for wish in wishes.values()
    ]


def decide(user: User, changed: Sequence[Choice], *, by: Actor, note: str) -> None:
    """Store these choices, with the operator and the note as evidence. The caller commits."""
    for choice in changed:
        preferences.decide(
            db.session(), user.id, choice.category, choice.chosen not in {"no", Frequency.never},
            choice.chosen if choice.category == DIGEST else None,
            how=How.operator, basis=f"{by.name}: {note}",
        )  # fmt: skip


def _is_by_complaint(user_id: int, category: str) -> bool:
    """Return whether the last decision about this category was a complaint."""
    mine = (Consent.user_id == user_id, Consent.category == category)
    how = db.session.scalar(select(Consent.how).where(*mine).order_by(Consent.id.desc()).limit(1))
    return how == How.complaint


def _value(wish: Wish) -> str:
    if wish.category == DIGEST:
        return str(wish.frequency if wish.wanted else Frequency.never)
    return "yes" if wish.wanted else "no"
