"""Options after the `?` of a server's URL: options that its driver knows, with usable values.

Drivers check most of them only at the first connection, some never, and redis-py and kombu raise a TypeError.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl

from psycopg import ProgrammingError, pq
from psycopg.conninfo import make_conninfo
from sqlalchemy import URL
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import ArgumentError

from notifier.english import either


class Value(NamedTuple):
    """The values of an option: a regular expression, and a description that follows "must be"."""

    pattern: str
    text: str


def one_of(*words: str) -> Value:
    """Build the value of an option that is one of these words."""
    return Value("|".join(map(re.escape, words)), either(words))


_FLAG = one_of("0", "1")
_SWITCH = one_of("true", "false")
_WHOLE = Value(r"[0-9]{1,9}", "a whole number")
_SECONDS = Value(r"(?!0+(?:\.0*)?\Z)[0-9]{1,6}(?:\.[0-9]{1,6})?", "a number of seconds above 0")
_TEXT = Value(r".+", "some text")
_WORD = Value(r"[!-~]+", "one word of ASCII characters")
_TLS_VERSION = one_of("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_PORT = r"(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"

#: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS. All others are free text.
POSTGRES: dict[str, Value] = {
    "host": Value(
        rf"[/@].+|[^\s:/]+(?::{_PORT})?|[0-9A-Fa-f]*:[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(?:%\w+)?",
        "a host, host:port or the folder of a socket",
    ),
    "port": Value(rf"{_PORT}(?:,{_PORT})*", "a port from 1 to 65535"),
    "connect_timeout": _WHOLE,
    "keepalives": _FLAG,
    "keepalives_idle": _WHOLE,
    "keepalives_interval": _WHOLE,
    "keepalives_count": _WHOLE,
    "tcp_user_timeout": _WHOLE,
    "sslmode": one_of("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": one_of("postgres", "direct"),
    "sslcompression": _FLAG,
    "sslcertmode": one_of("disable", "allow", "require"),
    "sslsni": _FLAG,
    "ssl_min_protocol_version": _TLS_VERSION,
    "ssl_max_protocol_version": _TLS_VERSION,
    "channel_binding": one_of("disable", "prefer", "require"),
    "gssencmode": one_of("disable", "prefer", "require"),
    "gssdelegation": _FLAG,
    "target_session_attrs": one_of("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "load_balance_hosts": one_of("disable", "random"),
    "require_auth": Value(
        r"!?(?:password|md5|gss|sspi|scram-sha-256|oauth|none)(?:,!?(?:password|md5|gss|sspi|scram-sha-256|oauth|none))*",
        "methods such as scram-sha-256, separated by commas",
    ),
}

#: These alone reach TLS through redis-py and through kombu, Celery's driver, which takes no others.
REDIS_TLS: dict[str, Value] = {
    "ssl_cert_reqs": one_of("required", "optional", "none"),
    "ssl_check_hostname": _SWITCH,
    "ssl_ca_certs": _TEXT,
    "ssl_ca_path": _TEXT,
    "ssl_certfile": _TEXT,
    "ssl_keyfile": _TEXT,
    "ssl_password": _TEXT,
    "ssl_ciphers": _WORD,
}

#: Options that redis-py's URL parser turns into numbers or booleans, and that users of this service may set.
REDIS: dict[str, Value] = {
    "db": Value(r"[0-9]{1,4}", "the number of a database, 9999 at most"),
    "socket_timeout": _SECONDS,
    "socket_connect_timeout": _SECONDS,
    "socket_keepalive": _SWITCH,
    "retry_on_timeout": _SWITCH,
    "health_check_interval": _WHOLE,
    "max_connections": Value(r"[1-9][0-9]{0,6}", "a whole number from 1"),
    "protocol": one_of("2", "3"),
    "client_name": _WORD,
}


def options_of(parts: SplitResult) -> list[tuple[str, str]]:
    """Return the options of a URL in their order, also those without a value."""
    return parse_qsl(parts.query, keep_blank_values=True)


def check_redis(parts: SplitResult) -> None:
    """Raise ValueError for an option that redis-py does not know or cannot use."""
    options = options_of(parts)
    for name, _ in options:
        if name in REDIS_TLS and parts.scheme != "rediss":
            raise ValueError(f"the option {name} is for TLS: write rediss:// or remove it")
    _check("Redis", options, REDIS | REDIS_TLS, REDIS | REDIS_TLS)


def check_broker(parts: SplitResult) -> None:
    """Raise ValueError for an option of a broker's URL that Celery passes to no driver."""
    _check("Celery", options_of(parts), REDIS_TLS if parts.scheme == "rediss" else {}, REDIS_TLS)


def check_postgres(url: URL) -> None:
    """Raise ValueError for options that libpq does not know or cannot use. Hosts and ports may be several."""
    known = {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    options = [(name, value) for name, values in url.normalized_query.items() for value in values]
    _check("Postgres", options, known, POSTGRES, several={"host", "port"})
    try:
        _, arguments = PGDialect_psycopg().create_connect_args(url)  # type: ignore[no-untyped-call]
        make_conninfo(**{name: value for name, value in arguments.items() if name in known})
    except (ArgumentError, ProgrammingError, UnicodeEncodeError):
        # Their texts quote values, and one may be a password.
        raise ValueError from None


def _check(
    server: str,
    options: Iterable[tuple[str, str]],
    known: Iterable[str],
    values: Mapping[str, Value],
    several: Iterable[str] = (),
) -> None:
    allowed, seen = frozenset(known), set[str]()
    for name, value in options:
        if name not in allowed:
            raise ValueError(f"{server} has no option {name!r}: remove it")
        if name in seen and name not in several:
            raise ValueError(f"the option {name} is there twice: remove one")
        seen.add(name)
        if name in values and not re.fullmatch(values[name].pattern, value):
            raise ValueError(f"the option {name} must be {values[name].text}")
