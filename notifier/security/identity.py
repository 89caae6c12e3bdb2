"""OperatorIdentity: a person whom an application that embeds us lets into the admin."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from notifier.security.redaction import without_addresses

#: The permissions of an operator, from the lowest.
RoleName = Literal["viewer", "editor", "admin"]
_ROLES: Final = get_args(RoleName)

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@|-]{0,49}")
_LABEL_LIMIT = 320


@dataclass(frozen=True, slots=True)
class OperatorIdentity:
    """Who makes a request, as the host's application says. It holds for this request only.

    It is never matched to an operator of ours, even if the label is the address of one.
    """

    #: Stored in the audit log, so it is no email address and holds none: 1 to 50 letters, digits and `._:@|-`, such as
    #: `host:17`.
    id: str
    role: RoleName = "viewer"
    #: Shown on pages and never stored, such as the person's address.
    label: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for an id or a role that is none."""
        if not _ID.fullmatch(self.id):
            raise ValueError("the id of an operator has 1 to 50 letters, digits and ._:@|- only")
        if without_addresses(self.id) != self.id:
            raise ValueError("the id of an operator must not hold an email address: it is stored in the audit log")
        if self.role not in _ROLES:
            raise ValueError(f"the role of an operator is {', '.join(_ROLES)}, not {self.role!r}")
        if len(self.label) > _LABEL_LIMIT:
            raise ValueError(f"the label of an operator has at most {_LABEL_LIMIT} characters")
