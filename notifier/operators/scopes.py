"""What an API key may do: a closed list, and `send:<kind>` for one kind of email."""

import enum
import re
from collections.abc import Collection, Iterable
from typing import Final


class Scope(enum.StrEnum):
    """The closed list. A scope is stored in keys: never change one, add another."""

    users_read = "users:read"
    users_write = "users:write"
    activities_write = "activities:write"
    notifications_read = "notifications:read"
    notifications_write = "notifications:write"
    consent_write = "consent:write"
    suppressions_write = "suppressions:write"
    suppressions_lift = "suppressions:lift"
    campaigns_read = "campaigns:read"
    campaigns_run = "campaigns:run"
    events_read = "events:read"
    webhooks_write = "webhooks:write"


#: Begins the scope of a key that may send one kind of email.
SEND: Final = "send:"

_SEND_ONE = re.compile(r"send:[a-z][a-z0-9_]{0,63}")


class ScopeError(ValueError):
    """A scope that there is not; the message says which there are."""


def checked(given: Iterable[str], kinds: Collection[str]) -> list[str]:
    """Return these scopes, each once, in their order in the list. `kinds`: the emails that can be sent one by one.

    Raise ScopeError for a scope that is not in the list, for a kind that there is not, and if there is none at all.
    """
    wanted = set(given)
    if not wanted:
        raise ScopeError("a key without a scope can do nothing: name one at least")
    named = {f"{SEND}{kind}" for kind in kinds}
    unknown = sorted(wanted - named - set(Scope))
    if unknown:
        there = ", ".join([*Scope, *sorted(named)])
        raise ScopeError(f"there is no scope {unknown[0]!r}; there are {there}")
    return [*(scope for scope in Scope if scope in wanted), *sorted(wanted & named)]


def may_send(scopes: Collection[str], kind: str) -> bool:
    """Return whether a key with these scopes may send emails of this kind."""
    return Scope.notifications_write in scopes or f"{SEND}{kind}" in scopes


def sends_something(scopes: Collection[str]) -> bool:
    """Return whether a key with these scopes may send emails of any kind."""
    return Scope.notifications_write in scopes or any(_SEND_ONE.fullmatch(scope) for scope in scopes)
