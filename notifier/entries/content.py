"""What a wanted email is about: its kind, its data, and the fingerprint by which a repeated key is compared."""

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import ValidationError

from notifier.database.expressions import number_of
from notifier.emails import EmailKind
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.kind import DATA, SEALED
from notifier.entries.errors import DataRefused, UnknownKind

#: In `params`, besides the kind's data: the fingerprint of the call, and the planned moment.
FINGERPRINT: Final = "fingerprint"
SEND_AT: Final = "send_at"


def names(kinds: Mapping[str, EmailKind]) -> list[str]:
    """Return the names of the kinds that are sent to people one by one, and not by campaigns."""
    return [name for name, kind in kinds.items() if not isinstance(kind, CampaignKind) and not kind.to_operators]


def sendable(kinds: Mapping[str, EmailKind], name: str) -> EmailKind:
    """Return the kind. Raise UnknownKind if there is none, or if only campaigns, or notifier itself, send it."""
    kind = kinds.get(name)
    if kind is None:
        raise UnknownKind(f"there is no kind of email {name!r}: register it with Notifier(kinds=[...])")
    if isinstance(kind, CampaignKind):
        raise UnknownKind(f"emails of the kind {name!r} are sent by campaigns only")
    if kind.to_operators:
        raise UnknownKind(f"emails of the kind {name!r} are sent to operators, by notifier itself")
    return kind


def checked(kind: EmailKind, data: object) -> Any:
    """Return the data as JSON, completed by the kind's schema; None if the kind takes none. Raise DataRefused."""
    if kind.Data is None:
        if data is not None:
            refused = DataRefused(f"emails of the kind {kind.name!r} take no data")
            refused.places = (((), "no_data"),)
            raise refused
        return None
    try:
        model = kind.Data.model_validate({} if data is None else data)
        read = _in_one_order(model.model_dump(mode="json"), model.model_dump())
        json.dumps(read, allow_nan=False)
    except ValidationError as error:
        wrong = tuple((each["loc"], each["type"]) for each in error.errors())
        named = (f"{'.'.join(map(str, loc)) or 'data'}: {mistake}" for loc, mistake in wrong)
        refused = DataRefused(f"the data of {kind.name!r} is refused: {', '.join(named)}")
        refused.places = wrong
        # Without its cause, whose text has the values.
        raise refused from None
    except ValueError:
        raise DataRefused(f"the data of {kind.name!r} is refused: it contains a number that is none") from None
    return read


def stored(kind: EmailKind, data: Any, seal: Callable[[str], str]) -> dict[str, Any]:
    """Return the part of `params` that holds checked data, those of a secret kind sealed by `seal`."""
    if data is None:
        return {}
    if not kind.secret:
        return {DATA: data}
    return {SEALED: seal(json.dumps(data))}


def _in_one_order(written: Any, value: Any) -> Any:
    """Return the JSON of a value with its sets sorted: they have another order in each process."""
    if isinstance(value, set | frozenset):
        return sorted(written, key=json.dumps)
    if isinstance(value, dict) and isinstance(written, dict) and len(value) == len(written):
        pairs = zip(written.items(), value.values(), strict=True)
        return {name: _in_one_order(inner, theirs) for (name, inner), theirs in pairs}
    if isinstance(value, list | tuple) and isinstance(written, list) and len(value) == len(written):
        return [_in_one_order(inner, theirs) for inner, theirs in zip(written, value, strict=True)]
    return written


def fingerprint(kind: str, user: str, data: Any, at: datetime | None, until: datetime | None) -> str:
    """Return the SHA-256 of these values as canonical JSON."""
    moments = [moment and number_of(moment) for moment in (at, until)]
    text = json.dumps([kind, user, data, *moments], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
