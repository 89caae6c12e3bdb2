"""What is known of the present request: its id, its caller, and its body as the gate has read it."""

import re
import secrets
from typing import Any, Final, NamedTuple

from flask import Request, g, request

from notifier.imports.bounded import Upload
from notifier.operators.audit_log import Actor
from notifier.security import clients
from notifier.services import services

_GIVEN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

_ID: Final = "request_id"
_CALLER: Final = "api_caller"


class Caller(NamedTuple):
    """Who makes the request: the key, and what it may do."""

    key_id: int
    #: None: the application itself, whose keys `Notifier.send` shares.
    principal: str | None
    scopes: frozenset[str]


class ApiRequest(Request):
    """A request whose body the gate has read: what flask-openapi asks for is that, and never its own reading."""

    #: The object of the body; None: the operation takes none.
    strict_json: dict[str, Any] | None = None
    #: The file that is the body; None: the operation takes none.
    upload: Upload | None = None

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:
        """Return the body as the gate has read it."""
        return self.strict_json


def request_id() -> str:
    """Return the id of this request: the one that the client gave, if it is short and plain, or a random one."""
    if _ID not in g:
        given = request.headers.get("X-Request-Id", "")
        # A key of ours in it would be logged.
        plain = _GIVEN_ID.fullmatch(given) and not given.startswith("nk_")
        setattr(g, _ID, given if plain else secrets.token_hex(8))
    found: str = getattr(g, _ID)
    return found


def base() -> str:
    """Return the address of the API, without a slash at its end."""
    return f"{services().settings.link_base}/v1"


def set_caller(caller: Caller) -> None:
    """Keep who makes this request."""
    setattr(g, _CALLER, caller)


def caller() -> Caller:
    """Return who makes this request. Raise AttributeError for an operation without a key."""
    found: Caller = getattr(g, _CALLER)
    return found


def caller_or_none() -> Caller | None:
    """Return who makes this request; None: it is not known, or the operation needs no key."""
    found: Caller | None = g.get(_CALLER)
    return found


def actor() -> Actor:
    """Return who stands in the audit log for what this request does: its key, by id."""
    return Actor(f"API key {caller().key_id}", ip=clients.address())
