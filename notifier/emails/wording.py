"""What edited words may name: what every mail offers, and what its kind adds. Values and examples, side by side."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from notifier import preferences
from notifier.emails.kind import Owed

if TYPE_CHECKING:
    from notifier.emails.campaign_kind import CampaignKind

#: Of every mail.
COMMON: Mapping[str, Any] = {
    "user": {"name": "Ada", "email": "ada@example.com"},
    "product": "Notifier",
    "public_url": "https://example.com",
}
#: Of mail that people may refuse; the foot of the mail has both links already.
REFUSABLE: Mapping[str, Any] = {
    "unsubscribe_url": "https://example.com/u/abc",
    "preferences_url": "https://example.com/preferences/abc",
}

#: As our mails begin.
GREETING = "Hello{% if user.name %} {{ user.name }}{% endif %},"


def offered(kind: "CampaignKind") -> dict[str, Any]:
    """The names that words of this kind may use, each with an example of its value."""
    refusable = REFUSABLE if kind.category in preferences.REFUSABLE else {}
    return {**COMMON, **refusable, **kind.offers}


def values(owed: Owed, known: Mapping[str, Any]) -> dict[str, Any]:
    """What those names stand for in this mail. `known`: what its templates get."""
    return {**known, "user": {"name": owed.user.display_name, "email": owed.notification.recipient}}


def literally(text: str) -> str:
    """A text in which nothing is a name or markup."""
    return _MEANT.sub(lambda sign: f"{{{{ '{sign.group()}' }}}}", text)


#: Signs that may mean something: in braces and quotes they are only themselves.
_MEANT = re.compile(r"[{}\[\]|]+|^(?:-|#+)(?= )", re.MULTILINE)
