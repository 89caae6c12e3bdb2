"""EmailKind: what one kind of mail is. Its templates are the folder of the same name."""

import enum
from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any, ClassVar, NamedTuple

from notifier.ledger import Claimed, Recipient
from notifier.security.links import Links


class Category(enum.StrEnum):
    """What a mail is for. Security and account mail ignores opt-outs; nothing ignores a suppression."""

    security = "security"
    account = "account"
    report = "report"
    digest = "digest"
    news = "news"

    #: Enum's own is a Python function, and this is asked for every mail.
    __hash__ = str.__hash__


class Owed(NamedTuple):
    """A claimed notification with all that a kind may look at."""

    notification: Claimed
    user: Recipient
    links: Links
    #: What the kind's `load` found for this row.
    data: Any = None


class EmailKind(ABC):
    """One kind of mail. Stateless: one instance serves every thread."""

    #: The name of the template folder, and what the ledger row says.
    name: ClassVar[str]
    category: ClassVar[Category]
    #: After this time the mail is of no use.
    lifetime: ClassVar[timedelta]
    #: The language of its template files (BCP 47): it decides in which direction they are read.
    language: ClassVar[str] = "en"
    #: One sentence at the foot of the mail: why it came.
    because: ClassVar[str]
    #: It goes to an address of which nothing says yet that it exists: somebody typed it into a form.
    first_email: ClassVar[bool] = False

    @abstractmethod
    def unwanted(self, owed: Owed) -> str | None:
        """Why this mail is no longer wanted, or None where it is. Asked after the claim, before sending."""

    @abstractmethod
    def context(self, owed: Owed) -> dict[str, Any]:
        """What the templates need beyond the names that every mail gets."""
