"""How pages and emails name the categories that people may refuse. An embedding application may choose other words."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from notifier.consent.preferences import NAMES, REFUSABLE

#: Characters of a label, and of a hint.
LABEL_LIMIT, HINT_LIMIT = 40, 200


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one category."""

    #: Such as "Comments".
    label: str
    #: One sentence below the label.
    hint: str
    #: The label within a sentence: "We'll no longer send comments to".
    within: str

    @property
    def because(self) -> str:
        """Return the footer's sentence for emails of ours in a category that the embedding application named."""
        return f"You're receiving this because your email preferences include {self.within}."


DEFAULTS: Final = MappingProxyType(
    {
        "report": Words("Monthly report", "Your month in numbers.", NAMES["report"]),
        "digest": Words("Activity digest", "Activity that involves you, in one email.", NAMES["digest"]),
        "news": Words("News", "Product news. We send it rarely.", NAMES["news"]),
    }
)


def wording(named: Mapping[str, tuple[str, str]]) -> Mapping[str, Words]:
    """Return the words for each category: label and hint of `named`, and ours for the others.

    Raise ValueError, which says what to change, for a category that is none and for words that cannot be shown.
    """
    return MappingProxyType({**DEFAULTS, **{category: _words(category, given) for category, given in named.items()}})


def _words(category: str, given: tuple[str, str]) -> Words:
    if category not in REFUSABLE:
        raise ValueError(f"there is no category {category!r} to name: name {', '.join(REFUSABLE)}")
    if not (isinstance(given, tuple) and len(given) == 2 and all(isinstance(text, str) for text in given)):
        raise ValueError(f'the category {category} is named by two texts: ("Comments", "When someone answers you.")')
    label, hint = (text.strip() for text in given)
    for what, text, limit in (("label", label, LABEL_LIMIT), ("hint", hint, HINT_LIMIT)):
        if not (text.isprintable() and 0 < len(text) <= limit):
            raise ValueError(f"the {what} of the category {category} has 1 to {limit} printable characters")
    # An abbreviation keeps its capitals: "API changes".
    within = label if label[:2].isupper() else label[0].lower() + label[1:]
    return Words(label, hint, within)
