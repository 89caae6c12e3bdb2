"""What edited words may name: what every mail offers, and what its kind adds. Values and examples, side by side."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from notifier.consent import preferences
from notifier.content import direction_of
from notifier.emails.kind import Owed

if TYPE_CHECKING:
    from notifier.emails.campaign_kind import CampaignKind


@dataclass(frozen=True, slots=True)
class Example:
    """A person for whom content is shown and checked before it is saved."""

    #: For forms and addresses of pages.
    key: str
    #: For people.
    label: str
    name: str
    email: str = "ada@example.com"
    locale: str = "en"
    timezone: str = "UTC"


#: The cases that content has to handle: a usual name, the longest one allowed, and none.
EXAMPLES: tuple[Example, ...] = (
    Example("usual", "a person with a usual name", "Ada"),
    # At the limit for names (`header_text.NAME_LIMIT`).
    Example(
        "long", "a person with a long name", "Maximilian Bartholomea Konstantinopolitanskaya-Featherstonehaugh",
        "maximilian.konstantinopolitanskaya-featherstonehaugh@mail.example.com", "de-AT", "Pacific/Auckland",
    ),
    Example("nameless", "a person without a name", "", "n@example.com", "ar", "America/Los_Angeles"),
)  # fmt: skip

#: Offered by every email.
COMMON: Mapping[str, Any] = {
    "user": {"name": EXAMPLES[0].name, "email": EXAMPLES[0].email},
    "product": "Notifier",
    "public_url": "https://example.com",
}
#: Offered by emails that people may unsubscribe from; the footer has both links already.
REFUSABLE: Mapping[str, Any] = {
    "unsubscribe_url": "https://example.com/u/abc",
    "preferences_url": "https://example.com/preferences/abc",
}

#: The first line of our emails.
GREETING = "Hello{% if user.name %} {{ user.name }}{% endif %},"


def offered(kind: "CampaignKind") -> dict[str, Any]:
    """The names that words of this kind may use, each with an example of its value."""
    refusable = REFUSABLE if kind.category in preferences.REFUSABLE else {}
    return {**COMMON, **refusable, **kind.offers}


def values(owed: Owed, known: Mapping[str, Any]) -> dict[str, Any]:
    """What those names stand for in this mail. `known`: what its templates get."""
    return {**known, "user": {"name": owed.user.display_name, "email": owed.notification.recipient}}


@lru_cache(maxsize=64)
def reading(language: str) -> Mapping[str, str]:
    """Return what the layout of an email in this language (BCP 47) needs: its language, direction and first edge."""
    direction = direction_of(language)
    return {"lang": language, "dir": direction, "align": "right" if direction == "rtl" else "left"}


def literally(text: str) -> str:
    """A text in which nothing is a name or markup."""
    return _MEANT.sub(lambda sign: f"{{{{ '{sign.group()}' }}}}", text)


#: Signs that may mean something: in braces and quotes they are only themselves.
_MEANT = re.compile(r"[{}\[\]|]+|^(?:-|#+)(?= )", re.MULTILINE)
