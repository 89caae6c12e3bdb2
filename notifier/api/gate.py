"""The gate before every operation: the key, its scope, its rate, and the form of the body. Nothing is looked up before.

The order is that of the answers: 404 and 405 from the router, then 401, 403, 429, 415, 413, 400, and 422 for what the
models refuse.
"""

from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final, cast

from flask import Flask, Response, current_app, request
from sqlalchemy.exc import OperationalError
from werkzeug.http import parse_options_header

from notifier import clock
from notifier.api import strict_json
from notifier.api.known_keys import KnownKeys
from notifier.api.operation import NEEDS, Needs
from notifier.api.problems import (
    INVALID_JSON,
    KEY_MISSING,
    MEDIA,
    MISSING_SCOPE,
    TOO_LARGE,
    UNAUTHORIZED,
    At,
    Problem,
    in_body,
    invalid,
)
from notifier.api.rate import Shares, count
from notifier.api.requests import ApiRequest, Caller, caller_or_none, request_id, set_caller
from notifier.database.transaction import writing
from notifier.extensions import db
from notifier.imports.bounded import Upload
from notifier.metrics.catalogue import API_REQUESTS
from notifier.operators import api_keys
from notifier.services import services

#: Character sets of a CSV file, by their names of IANA; none: UTF-8, or what a byte order mark says.
CHARSETS: Final[Mapping[str, str | None]] = {
    "": None, "utf-8": "utf-8", "utf-16": "utf-16", "utf-16le": "utf-16-le", "utf-16be": "utf-16-be",
    "windows-1252": "cp1252", "iso-8859-1": "latin-1",
}  # fmt: skip

#: Characters of the longest name of a parameter that is repeated in an answer.
_LONGEST_NAME: Final = 40

_REALM: Final = 'Bearer realm="notifier"'


def init_app(app: Flask) -> None:
    """Put the gate before every operation of `app`, and its headers on every answer."""
    app.before_request(partial(_enter, KnownKeys(db.session), Shares()))
    app.after_request(_leave)


def largest_body(app: Flask) -> int:
    """Return the bytes of the largest body that any operation takes."""
    return max(needs_of(app, endpoint).largest for endpoint in app.view_functions)


def needs_of(app: Flask, endpoint: str) -> Needs:
    """Return what an operation needs. Raise LookupError for one that does not say."""
    needs: Needs | None = getattr(app.view_functions[endpoint], NEEDS, None)
    if needs is None:
        raise LookupError(f"{endpoint} does not say what it needs")
    return needs


def _enter(known: KnownKeys, shares: Shares) -> None:
    request_id()
    if request.endpoint is None or request.routing_exception is not None:
        return  # the router answers
    needs = needs_of(current_app, request.endpoint)
    if needs.scope is not None:
        _admit(needs, _caller(known))
        count(shares)
    if request.query_string:
        _check_query(needs)
    if needs.takes_body:
        _read_body(needs)
    if needs.takes_key and not request.headers.get("Idempotency-Key", "").strip():
        raise Problem(KEY_MISSING)


def _caller(known: KnownKeys) -> Caller:
    """Return who makes this request. Raise Problem if there is no key, or none that works."""
    words = request.headers.get("Authorization", "").split(" ")
    # Two headers are joined by a comma, which no key has.
    if len(words) != 2 or words[0].lower() != "bearer":
        raise Problem(UNAUTHORIZED, headers={"WWW-Authenticate": _REALM})
    now, given = clock.now(), api_keys.split(words[1])
    row = None if given is None else known.find(given[0])
    if given is None or not api_keys.admits(row, given[1], now) or row is None:
        raise Problem(UNAUTHORIZED, headers={"WWW-Authenticate": f'{_REALM}, error="invalid_token"'})
    principal = None if row.principal == api_keys.APPLICATION else row.principal
    found = Caller(row.id, principal, frozenset(row.scopes))
    set_caller(found)
    if api_keys.is_used_again(row, now):
        # The next request notes it, if this one would have to wait.
        with suppress(OperationalError), writing(db.session, patient=False) as noting:
            api_keys.note_use(noting, found.key_id, now)
        known.forget(row.id)
    return found


def _admit(needs: Needs, caller: Caller) -> None:
    if not needs.admits(caller.scopes):
        raise Problem(
            MISSING_SCOPE,
            f"the key lacks the scope {needs.scope}" + (f" or {needs.or_scope}" if needs.or_scope else ""),
            headers={"WWW-Authenticate": f'{_REALM}, error="insufficient_scope", scope="{needs.scope}"'},
        )


def _check_query(needs: Needs) -> None:
    """Raise Problem for a parameter that is there twice: one reader takes the first, and another one the last.

    And for one of an operation that takes none: `dry_run=true`, say, would not keep it from being done.
    """
    for name, values in request.args.lists():
        named = name if name.isidentifier() and len(name) <= _LONGEST_NAME else ""
        if len(values) > 1:
            raise invalid(At(None, "twice", "The parameter is there more than once.", parameter=named))
        if needs.scope is not None and not needs.takes_query:
            raise invalid(At(None, "extra-forbidden", "The operation takes no parameter.", parameter=named))


def _read_body(needs: Needs) -> None:
    is_table, charset = _media(needs)
    if (request.content_length or 0) > needs.largest:
        raise Problem(TOO_LARGE, f"a body of this operation has at most {needs.largest:,} bytes")
    request.max_content_length = needs.largest
    data, asked = request.get_data(cache=False), cast("ApiRequest", request)
    if needs.takes_file:
        asked.upload = Upload(data, CHARSETS[charset])
    value = None if is_table else _strict(data)
    if needs.takes_file:
        return
    if not isinstance(value, dict):
        raise invalid(in_body("", "not-an-object", "The body is one JSON object."))
    asked.strict_json = value


def _media(needs: Needs) -> tuple[bool, str]:
    """Return whether the body is CSV, and the name of its character set. Raise Problem for what is not taken."""
    kind, options = parse_options_header(request.headers.get("Content-Type", ""))
    kind, charset = kind.lower(), options.get("charset", "").lower()
    is_table = needs.takes_file and kind == "text/csv"
    if not is_table and kind != "application/json":
        raise Problem(MEDIA)
    if charset not in (CHARSETS if is_table else ("", "utf-8")):
        raise Problem(MEDIA)
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise Problem(MEDIA)
    return is_table, charset


def _strict(data: bytes) -> Any:
    try:
        return strict_json.read(data)
    except strict_json.NotStrict as error:
        raise Problem(INVALID_JSON, str(error)) from None


def _leave(response: Response) -> Response:
    services().recorder.count(API_REQUESTS, request.endpoint or "none", str(response.status_code))
    response.headers["X-Request-Id"] = request_id()
    # What a key may see is for its owner alone.
    response.headers.setdefault("Cache-Control", "no-store")
    if caller_or_none() is not None:
        response.headers["Vary"] = "Authorization"
    return response
