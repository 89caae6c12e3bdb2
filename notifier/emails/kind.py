"""EmailKind: the definition of one kind of email. Its templates are in the folder of the same name."""

import enum
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Final, NamedTuple

from pydantic import BaseModel

from notifier.ledger import Claimed, Recipient
from notifier.security.links import Links

#: Names in the `params` of a row: the data with which it was sent, and the same sealed, for kinds that are `secret`.
DATA: Final = "data"
SEALED: Final = "sealed"


class Category(enum.StrEnum):
    """The purpose of an email. Security and account emails ignore opt-outs; none ignores a suppression."""

    security = "security"
    account = "account"
    report = "report"
    digest = "digest"
    news = "news"

    #: Enum's own is a Python function, and this is called for every email.
    __hash__ = str.__hash__


class Owed(NamedTuple):
    """A claimed notification with everything that a kind may look at."""

    notification: Claimed
    user: Recipient
    links: Links
    #: The data of this row from the kind's `load`.
    data: Any = None


class EmailKind(ABC):
    """One kind of email. Stateless: one instance serves all threads."""

    #: The name of the template folder, stored in the ledger row.
    name: ClassVar[str]
    category: ClassVar[Category]
    #: Time after which the email is of no use.
    lifetime: ClassVar[timedelta]
    #: The language of its template files (BCP 47), which decides the reading direction.
    language: ClassVar[str] = "en"
    #: One sentence in the email's footer: why the recipient gets it.
    because: ClassVar[str]
    #: Whether it goes to an address that may not exist, because a person typed it into a form.
    first_email: ClassVar[bool] = False
    #: Validates the data of an email that an embedding application sends; None: the kind takes no data.
    Data: ClassVar[type[BaseModel] | None] = None
    #: Data for an example, which `notifier doctor` builds and checks; None: it checks only kinds that take no data.
    example: ClassVar[Mapping[str, Any] | None] = None
    #: Whether its data are secrets, such as a link that sets a new password: they are stored sealed with SECRET_KEYS,
    #: shown to no operator, and deleted within about an hour after the email came to rest.
    secret: ClassVar[bool] = False

    #: Whether it goes to operators, who have no account: `user` of its Owed holds the address and nothing else.
    to_operators: ClassVar[bool] = False

    @classmethod
    def data_of(cls, owed: Owed) -> Any:
        """Return the data with which this email was sent, as an instance of `Data`; None if the kind takes no data."""
        return None if cls.Data is None else cls.Data.model_validate(owed.notification.params[DATA])

    @abstractmethod
    def unwanted(self, owed: Owed) -> str | None:
        """Return why this email is no longer wanted; None if it is. Called after the claim, before sending."""

    @abstractmethod
    def context(self, owed: Owed) -> dict[str, Any]:
        """Return what the templates need beyond the names that every email gets."""
