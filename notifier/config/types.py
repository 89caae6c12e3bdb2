"""Types of settings that are more than a number: addresses of servers, hosts, mailboxes, paths, keys."""

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import idna
from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from notifier.config import sentinel_url
from notifier.config.text import Must, Unit
from notifier.config.url_options import check_broker, check_postgres, check_redis
from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.header_text import HeaderTextError, display_name
from notifier.mail.mailboxes import parse_mailbox
from notifier.mail.return_path import ReturnPath

Seconds = Annotated[float, Unit("seconds")]
WholeSeconds = Annotated[int, Unit("seconds")]
PerSecond = Annotated[float | None, Unit("emails a second")]

#: Brokers that are tested. `memory` is Celery's own, for tests.
BROKERS = ("redis", "rediss", "amqp", "amqps", "pyamqp", "memory")

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?\Z")
#: The path of PUBLIC_URL: cookies, proxies and browsers must all read it in the same way, so no %XX and no dots alone.
_PATH = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*/?\Z")
_REDIS_PATH = re.compile(r"/?(?:[0-9]{1,4})?\Z")
#: Resolvers and browsers read a name whose last label is a number as an IPv4 address: 127.1 and 0x7f.1 are 127.0.0.1.
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0[xX][0-9A-Fa-f]*)\.?\Z")
#: The first bytes of a database (https://www.sqlite.org/fileformat2.html, section 1.3).
_SQLITE_HEADER = b"SQLite format 3\0"


def is_host(text: str) -> bool:
    """Return True if `text` is a host name (RFC 1123, section 2.1) or a whole IP address, without scheme or port."""
    try:
        ip_address(text)
    except ValueError:
        return len(text) <= 253 and bool(_HOST.match(text)) and not _NUMERIC.match(text)
    return True


def _split(value: str, schemes: tuple[str, ...]) -> SplitResult:
    """Return the parts of a URL. Raise ValueError for one of another scheme, or with a wrong host or port."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        # Its text quotes the value, which may hold a password.
        raise ValueError from None
    if parts.scheme not in schemes or port == 0 or not value.partition(":")[2].startswith("//"):
        raise ValueError
    if parts.hostname is not None and not is_host(parts.hostname):
        raise ValueError
    return parts


def _web_address(value: str) -> str:
    """Return it in one spelling: scheme and host in lower case, a host as A-labels, no slash or dot last."""
    host, _, rest = value.partition("://")[2].partition("/")
    if not host.isascii():
        name, colon, port = host.partition(":")
        value = f"{value.partition('://')[0]}://{_ascii(name)}{colon}{port}/{rest}"
    parts = _split(value, ("http", "https"))
    if not parts.hostname or parts.query or parts.fragment or "@" in parts.netloc or not _PATH.match(parts.path):
        raise ValueError
    if "%" in parts.hostname:
        # The zone of an IPv6 address names a network card of one machine, and browsers refuse it.
        raise ValueError
    netloc = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname.removesuffix(".")
    port = "" if parts.port is None else f":{parts.port}"
    return urlunsplit((parts.scheme, netloc + port, parts.path.rstrip("/"), "", ""))


def _ascii(name: str) -> str:
    try:
        return idna.encode(name, uts46=True).decode()
    except idna.IDNAError:
        raise ValueError from None


def _database_url(value: str) -> str:
    try:
        url = make_url(value)
        parts = _split(value, ("postgresql", "postgresql+psycopg", "postgres", "sqlite"))
    except (ArgumentError, ValueError):
        raise ValueError from None
    if not url.database or "\0" in unquote(value):
        raise ValueError
    if parts.scheme == "sqlite":
        if parts.netloc or url.database == ":memory:":
            raise ValueError
        if url.query:
            raise ValueError("SQLite takes no options after ?; if it is part of the file's name, write %3F")
        _check_sqlite_file(Path(url.database))
    else:
        check_postgres(url)
    return value


def _check_sqlite_file(path: Path) -> None:
    """Raise ValueError unless the file is a database, or can be created.

    Call it only at start-up: closing a file releases all locks that its process has on it.
    """
    try:
        if path.is_dir():
            raise ValueError(f"{path} is a folder: add the name of a file")
        if path.exists():
            if not path.is_file() or not _begins_as_sqlite(path):
                raise ValueError(f"{path} is not an SQLite database: name another file")
            return
        folder = next(each for each in path.absolute().parents if each.exists())
    except OSError as error:
        raise ValueError(f"the file cannot be used: {error.strerror}") from None
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"the file cannot be created, because {folder} is not a folder that can be written to")


def _begins_as_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(_SQLITE_HEADER)) in (b"", _SQLITE_HEADER)


def _redis_parts(value: str) -> SplitResult:
    parts = _split(value, ("redis", "rediss"))
    if not parts.hostname or not _REDIS_PATH.match(parts.path) or parts.fragment:
        raise ValueError
    return parts


def _redis_url(value: str) -> str:
    if sentinel_url.is_sentinel(value):
        sentinel_url.read(value)
        return value
    check_redis(_redis_parts(value))
    return value


def _broker_url(value: str) -> str:
    if sentinel_url.is_sentinel(value):
        return _redis_url(value)
    parts = _split(value, BROKERS)
    if parts.scheme in {"redis", "rediss"}:
        _redis_parts(value)
    elif not parts.hostname and parts.scheme != "memory":
        raise ValueError
    check_broker(parts)
    return value


def _host(value: str) -> str:
    if not is_host(value):
        raise ValueError
    return value


def _hosts(value: list[str]) -> list[str]:
    for each in value:
        if not is_host(each.removeprefix(".")):
            raise ValueError
    return [each.lower() for each in value]


def _name(value: str) -> str:
    try:
        return display_name(value)
    except HeaderTextError:
        raise ValueError from None


def _return_path(value: str) -> str:
    try:
        ReturnPath(value)
        return parse_address(value, allow_local=True).envelope
    except AddressError:
        raise ValueError from None


def _ascii_address(value: str) -> str:
    try:
        return parse_address(value, allow_smtputf8=False, allow_local=True).envelope
    except AddressError:
        raise ValueError from None


def _ascii_addresses(values: list[str]) -> list[str]:
    return [_ascii_address(each) for each in values]


def _networks(values: list[str]) -> list[str]:
    try:
        networks = [ip_network(each) for each in values]
    except ValueError:
        raise ValueError from None
    if any(each.prefixlen == 0 for each in networks):
        # Everyone is no list of those who may.
        raise ValueError
    return [str(each) for each in networks]


def split_list(value: Any) -> Any:
    """Split `old,new` into a list."""
    if isinstance(value, str):
        if value.startswith("[") and value.endswith("]"):
            raise ValueError("a JSON list is not read: write commas between the parts, without [ ] and quotes")
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def expanded(path: Path) -> Path:
    """Return the path with `~` as the home folder. Raise ValueError if there is none."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError("~ stands for the home folder of a user who is not known here: write the whole path") from None


WebAddress = Annotated[
    str,
    Must("an absolute http(s) address such as https://app.example.com; in a path letters, digits and - . _ ~ alone"),
    AfterValidator(_web_address),
]
DatabaseUrl = Annotated[
    str,
    Must(
        "postgresql://user:password@host/name or sqlite:////path/to/file; "
        "in the password write @ as %40, / as %2F, : as %3A, # as %23"
    ),
    AfterValidator(_database_url),
]
RedisUrl = Annotated[
    str,
    Must(
        "redis://:password@host:6379/0, rediss:// for TLS, or sentinel://host:26379;sentinel://…?master_name=NAME; "
        "in the password write @ as %40, / as %2F, # as %23"
    ),
    AfterValidator(_redis_url),
]
BrokerUrl = Annotated[
    str,
    Must("redis://:password@host:6379/0 or amqp://user:password@host:5672//, or with TLS rediss:// or amqps://"),
    AfterValidator(_broker_url),
]
DisplayName = Annotated[str, Must("a name in one line, 64 characters at most"), AfterValidator(_name)]
HostName = Annotated[str, Must("a host name or an IP address alone; the port is MAIL_PORT"), AfterValidator(_host)]
ListenHost = Annotated[
    str, Must("a host name or an IP address alone; the port is BOUNCE_LISTEN_PORT"), AfterValidator(_host)
]
Networks = Annotated[
    list[str],
    NoDecode,
    Must("IP addresses or networks such as 10.0.4.0/24, separated by commas; not all addresses (/0)"),
    BeforeValidator(split_list),
    AfterValidator(_networks),
]
HostNames = Annotated[
    list[str],
    NoDecode,
    Must("host names separated by commas, without scheme and port; .example.com stands for its subdomains, too"),
    BeforeValidator(split_list),
    AfterValidator(_hosts),
]
ReturnPathText = Annotated[str, AfterValidator(_return_path)]
AsciiAddress = Annotated[str, AfterValidator(_ascii_address)]
AsciiAddresses = Annotated[
    list[str],
    NoDecode,
    Must("email addresses in ASCII, separated by commas"),
    BeforeValidator(split_list),
    AfterValidator(_ascii_addresses),
]
MailboxText = Annotated[str, AfterValidator(lambda value: str(parse_mailbox(value, allow_local=True)))]
FilePath = Annotated[Path, AfterValidator(expanded)]
SecretKeys = Annotated[
    list[str], NoDecode, Must("one key or more, separated by commas, oldest to newest"), BeforeValidator(split_list)
]
