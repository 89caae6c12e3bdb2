"""UserFields: what the host tells us about a person, and the columns that it becomes.

An address that cannot be used must not fail the host's flush: it is stored without an identity key, which no campaign
reaches and `send` refuses.
"""

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import available_timezones

from notifier.mail.addresses import AddressError, abuse_key, identity_of, parse_address
from notifier.mail.header_text import NAME_LIMIT, clean_text
from notifier.models import NO_IDENTITY

#: As the table has it, except that an id begins with no tilde: those are the ids of deleted people.
_EXTERNAL_ID = re.compile(r"[A-Za-z0-9._:@|-][A-Za-z0-9._:@|~-]{0,199}")
_LOCALE = re.compile(r"(?!.{17})[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}")
#: The names of all time zones.
ZONES: Final = frozenset(available_timezones())
#: NUL as JSON escapes it, not a backslash before the letters `u0000`.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*+\\u0000")
#: The width of the column.
_EMAIL_LIMIT = 320


class Confirming(enum.Enum):
    """Who confirms addresses."""

    ours = enum.auto()


#: The host does not confirm addresses: notifier's `verification` email does, and a new address must be confirmed again.
OURS: Final = Confirming.ours


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFields:
    """The facts about one person, read from the host's row."""

    #: The person's key in the host's application: 1 to 200 of `[A-Za-z0-9._:@|~-]`, not beginning with `~`.
    id: object
    email: str | None
    name: str | None = None
    #: When the address was confirmed; None: it is not. A naive moment is UTC. Left out: confirming is up to notifier.
    verified_at: datetime | Confirming | None = OURS
    #: A language tag such as `de` or `pt_BR`; English if it is missing or is none.
    locale: object = None
    #: An IANA zone name or a ZoneInfo; UTC if it is missing or is none.
    timezone: object = None
    #: Further facts, as JSON.
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise TypeError for a `verified_at` that is no moment: True, say, would leave the person unconfirmed."""
        if self.verified_at is not None and not isinstance(self.verified_at, datetime | Confirming):
            raise TypeError(f"verified_at takes a datetime, None or OURS, not {type(self.verified_at).__name__}")


def external_id_of(value: object) -> str:
    """Return the external id. Raise ValueError if the value cannot be one."""
    text = "" if value is None else str(value)
    if not _EXTERNAL_ID.fullmatch(text):
        raise ValueError(
            "the id of a person has 1 to 200 characters, letters, digits and ._:@|~- only, and does not begin with ~"
        )
    return text


def is_locale(text: str) -> bool:
    """Return whether this is a language tag such as `pt-BR` that fits the column."""
    return _LOCALE.fullmatch(text) is not None


def is_zone(text: str) -> bool:
    """Return whether this is the name of an IANA time zone."""
    return text in ZONES


def columns_of(
    fields: UserFields, *, allow_local: bool, has_hook: bool = False, stored: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the columns of the person's row. Raise ValueError for an id or attributes that cannot be stored.

    Args:
        fields: What the host says.
        allow_local: Whether addresses of this machine or network are usable.
        has_hook: Whether the host learns of confirmations by our links, and so can keep them itself.
        stored: The present row: an address that is spelled as it has it is not checked again.
    """
    text = str(fields.email or "")
    known = stored is not None and stored["email"] == text and stored["identity_key"] == identity_of(text)
    reach = _keys_of(text) if known else _reach(text, allow_local=allow_local)
    locale = str(fields.locale or "").replace("_", "-")
    zone = str(fields.timezone or "")
    return {
        "external_id": external_id_of(fields.id),
        **reach,
        "display_name": clean_text(fields.name or "", NAME_LIMIT),
        "locale": locale if is_locale(locale) else "en",
        "timezone": zone if is_zone(zone) else "UTC",
        "attributes": _json(fields.attributes),
        "verified_at": _confirmed(fields.verified_at),
        "confirms_here": has_hook or fields.verified_at is OURS,
    }


def _reach(text: str, *, allow_local: bool) -> dict[str, str | None]:
    try:
        address = parse_address(text, allow_local=allow_local)
    except AddressError:
        # Kept, so that operators see why nothing is sent.
        return {"email": clean_text(text, _EMAIL_LIMIT), "identity_key": NO_IDENTITY, "abuse_key": None}
    return _keys_of(address.envelope)


def _keys_of(envelope: str) -> dict[str, str | None]:
    return {"email": envelope, "identity_key": identity_of(envelope), "abuse_key": abuse_key(envelope)}


def _confirmed(moment: datetime | Confirming | None) -> datetime | None:
    if not isinstance(moment, datetime):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _json(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes in one order, because SQLite compares them as text."""
    if not attributes:
        return {}
    try:
        text = json.dumps(dict(attributes), sort_keys=True, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"the attributes of a person are not JSON: {error}") from error
    # json.dumps writes an astral character as a pair of surrogates, so only their loading tells whether one is alone.
    stored: dict[str, Any] = json.loads(text)
    plain = json.dumps(stored, ensure_ascii=False)
    if _NUL.search(plain) or not _is_utf8(plain):
        raise ValueError("the attributes of a person contain a character that Postgres cannot store")
    return stored


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
