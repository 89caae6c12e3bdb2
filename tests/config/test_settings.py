"""Every setting with at least ten wrong values: one line that names it and says what to write, or it works as meant."""

import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from click.testing import CliRunner
from pydantic.fields import FieldInfo
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from notifier.__main__ import cli
from notifier.app import create_app
from notifier.cli.up import up
from notifier.config.loading import load_settings
from notifier.config.settings import ConfigError, Settings
from notifier.config.text import allowed
from notifier.config.url_options import REDIS
from notifier.delivery.staging import Staging
from notifier.smtp.transport_config import transport_configs
from tests.support.keys import key_file

ROOT = Path(__file__).parents[2]
FIELDS = Settings.model_fields

#: What some settings need beside them.
DKIM = {"mail_dkim_domain": "example.com", "mail_dkim_selector": "m1"}
BESIDE = {**DKIM, "mail_username": "me", "mail_password": "hush", "redis_url": "redis://127.0.0.1:6379/0"}
#: Right values of numbers without a default, if the highest is not right beside other defaults.
GOOD = {"mail_fence": 20, "mail_heartbeat": 5}


class Means:
    """The start takes the value for this."""

    def __init__(self, value: Any) -> None:
        self.value = value


DEFAULT = Means(None)
MUST = object()
QUOTES = "the quotes around it are part of the value: remove them"
SPACES = "begins or ends with a space or a line break: remove it"


def control(char: str) -> str:
    return f"holds a line break or control character (U+{ord(char):04X}): remove it"


NOT_TEXT = "is not UTF-8: write it again"
NEVER = {QUOTES, SPACES, NOT_TEXT, *map(control, "\x01\x7f\n\u2028\x1b")}

#: What is wrong, or means what it says, in every setting that is text.
ANY_TEXT: list[tuple[str, Any]] = [
    ("", DEFAULT), (" \t\n", DEFAULT), ("a\x01b", control("\x01")), ("a\x7fb", control("\x7f")),
    ("a\nb", control("\n")), ("a\u2028b", control("\u2028")), ("a\x1b[31mb", control("\x1b")),
    ("a\udcffb", NOT_TEXT), ("'a'", QUOTES), ('"a"\n', QUOTES),
]  # fmt: skip

WEB_ADDRESSES: list[tuple[str, Any]] = [
    ("app.example.com", MUST), ("ftp://app.example.com", MUST), ("javascript:alert(1)", MUST), ("https://", MUST),
    ("https://app.example.com:0", MUST), ("https://app.example.com:99999", MUST), ("https://app.example.com:x", MUST),
    ("https://a b.example", MUST), ("https://user:hush@app.example.com", MUST), ("https://app.example.com/?a=b", MUST),
    ("https://app.example.com/#a", MUST), ("https://app.example.com/a//b", MUST), ("https://a.example/../a", MUST),
    ("https://app.example.com/a;b", MUST), ("https://app.example.com/a%2Fb", MUST), ("https:/app.example.com", MUST),
    ("https://[::1", MUST), ("https://b\u00fc.-x/", MUST),
    (" https://App.Example.com/mail/ \n", Means("https://app.example.com/mail")),
    ("HTTPS://app.example.com", Means("https://app.example.com")),
    ("https://b\u00fccher.example:8443/mail", Means("https://xn--bcher-kva.example:8443/mail")),
    ("http://[::1]:8000/", Means("http://[::1]:8000")),
    ("https://0x7f.1", MUST), ("https://127.1", MUST), ("https://2130706433", MUST), ("https://a.256", MUST),
    ("https://127.0.0.0x1", MUST), ("https://[::1%25eth0]", MUST), ("https://[fe80::1%eth0]", MUST),
    ("https://n.example.org..", MUST), ("https://127.1.", MUST),
    ("https://n.example.org.", Means("https://n.example.org")), ("https://127.0.0.1", Means("https://127.0.0.1")),
    ("https://n.example.org.:8443/a", Means("https://n.example.org:8443/a")), ("https://4.a1", Means("https://4.a1")),
]  # fmt: skip

PATHS: list[tuple[str, Any]] = [
    ("x" * 300, "cannot be"), ("~nobody-of-this-name/x", "~ stands for the home folder of a user who is not known"),
]  # fmt: skip

MAILBOXES: list[tuple[str, Any]] = [
    ("Acme hello@acme.example", "write an address"), ("hello", "write an address"), ("@acme.example", "write"),
    ("hello@acme", "write an address"), ("a@b.example, c@d.example", "write an address"),
    ("A <a@b.example>, C <c@d.example>", "more than one"), ("=?utf-8?q?A?= <a@b.example>", "the name cannot"),
    ("Acme <h\u00e9@acme.example>", "write an address"), ("x" * 2000 + " <a@b.example>", "the name cannot"),
    (r'\"Acme\" <a@b.example>', "quotes and backslashes of the name: write Acme <address>"),
    ("'Acme' <a@b.example>", "write Acme <address>"), (r'"\"Acme\"" <a@b.example>', "write Acme <address>"),
    ("A\\cme <a@b.example>", "write Acme <address>"), ("'' <a@b.example>", "write Name <address>"),
    ("\"'Acme'\" <a@b.example>", "write Acme <address>"),
    ("mailto:a@b.example", "write an address"), (" Acme <a@b.example> \n", Means("Acme <a@b.example>")),
]  # fmt: skip

BROKER: list[tuple[str, Any]] = [
    ("broker:6379", MUST), ("http://broker/0", MUST), ("redis:/broker", MUST), ("redis://", MUST),
    ("redis://broker:0/0", MUST), ("redis://broker:99999/0", MUST), ("redis://broker:x/0", MUST),
    ("redis://broker/name", MUST), ("redis://broker/-1", MUST), ("redis://bro ker/0", MUST),
    ("redis://:p/ss@broker/0", MUST), ("redis://:p#ss@broker/0", MUST), ("redis://[::1/0", MUST),
    ("redis://:p@broker/99999", MUST), ("redis://broker/0?bogus=1", "has no option 'bogus'"),
    ("redis://broker/0?ssl_cert_reqs=none", "ssl_cert_reqs"), ("redis://broker/0?bogus", "has no option 'bogus'"),
    ("rediss://broker/0?ssl_cert_reqs=bogus", "the option ssl_cert_reqs must be required, optional or none"),
    ("rediss://broker/0?ssl_check_hostname=maybe", "the option ssl_check_hostname must be true or false"),
    ("rediss://broker/0?ssl_ca_certs=", "the option ssl_ca_certs must be some text"),
    ("rediss://broker/0?ssl_cert_reqs=none&ssl_cert_reqs=required", "the option ssl_cert_reqs is there twice"),
    (" rediss://:hush@broker:6380/1\n", Means("rediss://:hush@broker:6380/1")),
    ("rediss://broker/9999?ssl_ca_certs=/ca.pem", Means("rediss://broker/9999?ssl_ca_certs=/ca.pem")),
]  # fmt: skip

REDIS_OPTIONS: list[tuple[str, Any]] = [
    (f"redis://broker/0?{name}={value}", f"the option {name} must be ")
    for name, values in {
        "db": ("x", "-1"), "socket_timeout": ("abc", "-1", "0", "nan", "1e9"), "socket_connect_timeout": ("0.0",),
        "socket_keepalive": ("maybe",), "retry_on_timeout": ("2",), "health_check_interval": ("1.5",),
        "max_connections": ("0", "x"), "protocol": ("9",), "client_name": ("a%20b",),
    }.items()
    for value in values
]  # fmt: skip

#: Options of libpq, each with a value that libpq refuses when it connects.
POSTGRES_OPTIONS: list[tuple[str, Any]] = [
    (f"postgresql://db/notifier?{name}={value}", f"the option {name} must be ")
    for name, value in {
        "port": "abc", "connect_timeout": "abc", "keepalives": "yes", "keepalives_idle": "x", "tcp_user_timeout": "1s",
        "keepalives_interval": "-1", "keepalives_count": "1.5", "sslmode": "bogus", "sslnegotiation": "x",
        "sslcertmode": "x", "ssl_min_protocol_version": "1.2", "ssl_max_protocol_version": "x", "channel_binding": "x",
        "gssencmode": "x", "target_session_attrs": "x", "load_balance_hosts": "x", "require_auth": "x",
    }.items()
]  # fmt: skip

#: Secrets that we choose for providers that sign nothing.
SECRETS: list[tuple[str, Any]] = [
    ("x" * 19, MUST), ("x" * 201, MUST), ("a secret with spaces in it", MUST), ("p\u00e4ssword-of-some-length", MUST),
    ("x" * 20 + ",short", MUST), ('["' + "x" * 20 + '"]', "a JSON list is not read"), (" , ,", Means([])),
    (" " + "x" * 20 + " , " + "y" * 20 + ",\n", Means(["x" * 20, "y" * 20])),
]  # fmt: skip
TOPIC = "arn:aws:sns:eu-west-1:123456789012:bounces"
P256 = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "A" * 86 + "=="
WHSEC = "whsec_" + "A" * 43 + "="

#: Settings that are text: what is wrong with each beyond ANY_TEXT. Those with None have no more to get wrong.
TEXTS: dict[str, list[tuple[str, Any]]] = {
    "metrics_token": [
        ("short", MUST), ("x" * 15, MUST), ("x" * 201, MUST), ("a token with spaces in it", MUST),
        ("p\u00e4ssword-of-some-length", MUST), (" " + "x" * 16 + " ", Means("x" * 16)),
    ],
    "notifier_data_dir": [*PATHS, (__file__, "is a file: name a folder"), (f"{__file__}/x", "cannot be used")],
    "public_url": WEB_ADDRESSES,
    "home_url": WEB_ADDRESSES,
    "product_name": [("x" * 65, MUST), (" Acm\u00e9 & Sons ", Means("Acm\u00e9 & Sons")), ("\u200b", Means(""))],
    "inbox_url": WEB_ADDRESSES,
    "runbook_url": WEB_ADDRESSES,
    "alert_webhook_url": WEB_ADDRESSES,
    "alert_emails": [("boss", MUST), ("boss@example.com, @", MUST), (" a@example.com ,", Means(["a@example.com"]))],
    "trusted_hosts": [
        ("https://example.com", MUST), ("example.com:443", MUST), ("example.com/x", MUST), ("*.example.com", MUST),
        ("..example.com", MUST), ('["example.com"]', "a JSON list is not read"),
        (" Shop.example.com, .example.org ,", Means(["shop.example.com", ".example.org"])),
    ],
    "secret_keys": [
        (",", "SECRET_KEYS: at least one key is needed"), (" , ,", "at least one key is needed"),
        (" old , new ,", Means(["old", "new"])), ('["old", "new"]', "a JSON list is not read"),
        ("x" * 10_000, Means(["x" * 10_000])),
    ],
    "database_url": [
        ("mysql://db/notifier", MUST), ("postgresql+psycopg2://db/x", MUST), ("db/notifier", MUST), ("sqlite://", MUST),
        ("sqlite:///", MUST), ("sqlite:///:memory:", MUST), ("sqlite:notifier.db", MUST),
        ("sqlite:////tmp", "/tmp is a folder: add the name of a file"), ("postgresql://db", MUST),
        ("postgresql://db:x/notifier", MUST), ("postgresql://db:0/notifier", MUST), ("postgresql://d b/notifier", MUST),
        ("postgresql://u:p/ss@db/notifier", MUST), ("postgresql://u:p#ss@db/notifier", MUST),
        ("postgresql://db/notifier?sslmod=require", "Postgres has no option 'sslmod'"),
        ("sqlite:////tmp/x.db?mode=ro", "SQLite takes no options after ?"),
        *POSTGRES_OPTIONS, ("postgresql://h/%00", MUST), ("postgresql://h/x?user=a%00b", MUST),
        ("postgresql://db/x?port=0", "the option port must be"), ("postgresql://db/x?port=65536", "the option port"),
        ("postgresql://db/x?sslmode=require&sslmode=disable", "the option sslmode is there twice"),
        ("postgresql://db/x?host=a:b", "the option host must be a host"),
        ("postgresql://db/x?host=a&host=b&port=1,2,3", MUST),
        ("sqlite:////etc/passwd", "/etc/passwd is not an SQLite database"), ("sqlite:////dev/null", "is not an SQLite"),
        (f"sqlite:///{__file__}/dir/x.db", f"cannot be created, because {__file__} is not a folder"),
        ("sqlite:////tmp/" + "x" * 300, "the file cannot be used: File name too long"),
        ("sqlite:////tmp/x%00.db", MUST),
        ("postgresql://a/x?host=a:1&host=b:2&target_session_attrs=read-write",
         Means("postgresql://a/x?host=a:1&host=b:2&target_session_attrs=read-write")),
        ("postgresql://db/x?connect_timeout=5&application_name=notifier&options=-c%20work_mem%3D8MB",
         Means("postgresql://db/x?connect_timeout=5&application_name=notifier&options=-c%20work_mem%3D8MB")),
        (" postgresql:///notifier\n", Means("postgresql:///notifier")),
        ("postgresql://u:p%40ss@db/n?sslmode=require", Means("postgresql://u:p%40ss@db/n?sslmode=require")),
    ],
    "redis_url": [
        *BROKER, ("amqp://broker//", MUST), *REDIS_OPTIONS,
        ("redis://broker/0?socket_timeout=5", "Celery has no option 'socket_timeout': remove it, or"),
        ("redis://broker?db=10000", "the option db must be the number of a database"),
    ],
    "celery_broker_url": [
        *BROKER, ("sqs://x:y@broker", MUST), ("amqp://", MUST), ("amqp://a;amqp://b", MUST),
        ("redis://broker/0?db=x", "Celery has no option 'db'"), ("amqp://mq//?x=1", "Celery has no option 'x'"),
        ("redis://broker/0?socket_timeout=5", "Celery has no option 'socket_timeout'"),
        ("amqp://mq//?heartbeat=5", "Celery has no option 'heartbeat'"),
        ("amqps://mq//?ssl_cert_reqs=none", "Celery has no option 'ssl_cert_reqs'"),
        ("memory://", "CELERY_BROKER_URL: memory:// is for tests"),
        ("amqps://u:p@mq.example/vhost", Means("amqps://u:p@mq.example/vhost")),
    ],
    "mail_server": [
        ("smtp://smtp.example.com", MUST), ("smtp.example.com:587", MUST), ("smtp..example.com", MUST), ("-x", MUST),
        ("a b", MUST), ("user@host", MUST), ("[::1]", MUST), ("x" * 300, MUST), ("host/path", MUST), ("b\u00fc", MUST),
        (" ::1 ", Means("::1")), ("smtp.example.com.\n", Means("smtp.example.com.")),
    ],
    "mail_username": [("x" * 501, MUST), (" me \n", Means("me"))],
    "mail_password": [("x" * 501, MUST), ("hush\n", SPACES), (" hush", SPACES), ("p\u00e4ss", Means("p\u00e4ss"))],
    "mail_default_sender": MAILBOXES,
    "mail_reply_to": MAILBOXES,
    "mail_bounce_address": [
        ("x y", MUST), ("b.example", MUST), ("https://b.example", MUST), ("b@b..example", MUST), ("+@b.example", MUST),
        ("b+@[127.0.0.1]", MUST), ("b+@" + "x" * 300 + ".example", MUST), ("b\u00fc@b.example", MUST),
        ("-@b.example", MUST), ("x" * 28 + "+@b.example", MUST),
        ("x" * 27 + "+@b.example", Means("x" * 27 + "+@b.example")),
        ("b-@b.example", Means("b-@b.example")), ("x" * 64 + "@b.example", Means("x" * 64 + "@b.example")),
        (" b+@B\u00fccher.example. ", Means("b+@xn--bcher-kva.example")),
    ],
    "mail_cfbl_address": [
        ("x", MUST), ("@", MUST), ("a@b", MUST), ("a@b@c.example", MUST), ("A <a@b.example>", MUST),
        ("a@b.example,c@d.example", MUST), ("a@b.example; report=xarf", MUST), ("x" * 300 + "@b.example", MUST),
        ("gr\u00fc\u00dfe@b.example", MUST), ("https://b.example", MUST),
        (" fbl@B\u00fccher.example\n", Means("fbl@xn--bcher-kva.example")),
    ],
    "mail_ca_file": [*PATHS, ("/nowhere/ca.pem", "cannot be read"), ("/", "cannot be read"), (__file__, "PEM form")],
    "mail_transports": [*PATHS, ("/nowhere/t.toml", "cannot be read"), ("/", "cannot be read"), (__file__, "not TOML")],
    "mail_dkim_domain": [
        ("x y", "not a domain name"), ("https://x.example", "not a domain name"), ("x" * 64 + ".example", "not a"),
        ("b\u00fccher.example", "not a domain name"), (" example.com\n", Means("example.com")),
    ],
    "mail_dkim_selector": [
        ("x y", "not a selector"), ("a_b", "not a selector"), ("x" * 64, "not a selector"), (" m1\n", Means("m1")),
    ],
    "mail_dkim_key_file": [*PATHS, ("/nowhere/k.pem", ""), ("/", ""), (__file__, "")],
    "mail_redirect_to": [
        ("x", "no @"), ("@", ""), ("a@b", "needs a dot"), ("a@b@c.example", "more than one @"), ("A <a@b.example>", ""),
        ("a@b.example,c@d.example", ""), ("x" * 300 + "@b.example", "too long"),
        (" a@b.example\n", Means("a@b.example")),
    ],
    "mail_allow": [
        (",", "names no recipient"), ("a@b", "needs a dot"), ("b.example; c.example", ""), ("https://b.example", ""),
        ("*.b.example", ""), (" a@b.example , @c.example,\n", Means("a@b.example , @c.example,")),
    ],
    "inbound_ses_topics": [
        ("bounces", MUST), (f"{TOPIC}:c2c3", MUST), (TOPIC.replace("sns", "sqs"), MUST), (TOPIC[:-8], MUST),
        (TOPIC.replace("aws", "aws-cn"), MUST), (TOPIC.replace("123456789012", "1234"), MUST), (f"{TOPIC},x", MUST),
        (f" {TOPIC} , {TOPIC}.fifo,\n", Means([TOPIC, f"{TOPIC}.fifo"])),
    ],
    "inbound_postmark_secrets": SECRETS,
    "inbound_brevo_secrets": SECRETS,
    "inbound_mailjet_secrets": SECRETS,
    "bounce_listen_host": [
        ("https://x.example", MUST), ("127.0.0.1:2401", MUST), ("a b", MUST), ("127.1", MUST), ("x" * 300, MUST),
        (" ::1\n", Means("::1")), ("localhost", Means("localhost")),
    ],
    "bounce_listen_networks": [
        ("x", MUST), ("10.0.4.1/24", MUST), ("10.0.4.0/33", MUST), ("0.0.0.0/0", MUST), ("::/0", MUST),
        ("10.0.4.0/24 10.0.5.0/24", MUST), ("mx.example.com", MUST), ('["10.0.4.0/24"]', "a JSON list is not read"),
        (" 10.0.4.1, 2001:DB8::/32 ,", Means(["10.0.4.1/32", "2001:db8::/32"])),
    ],
    "bounce_listen_addresses": [
        ("x", MUST), ("@", MUST), ("a@b.example;c@d.example", MUST), ("a@b.example,x", MUST), ("A <a@b.example>", MUST),
        ("gr\u00fc\u00dfe@b.example", MUST), ('["a@b.example"]', "a JSON list is not read"),
        (" fbl@B\u00fccher.example, b@b.example,", Means(["fbl@xn--bcher-kva.example", "b@b.example"])),
    ],
    "inbound_mailgun_keys": [
        ("x" * 15, MUST), ("x" * 201, MUST), ("a key with spaces in it", MUST), ("x" * 16 + ",short", MUST),
        (f" {'x' * 32} \n", Means(["x" * 32])),
    ],
    "inbound_sendgrid_keys": [
        ("x" * 124, MUST), (P256[:-1], MUST), (f"{P256}A", MUST), (P256.replace("E" + "A" * 86, "E" + "!" * 86), MUST),
        ("-----BEGIN PUBLIC KEY-----", MUST), (f" {P256},{P256} ", Means([P256, P256])),
    ],
    "inbound_resend_secrets": [
        (WHSEC[6:], MUST), ("whsec_", MUST), ("whsec_" + "A" * 31, MUST), ("whsec_" + "A" * 88, MUST),
        ("whsec_" + "A" * 33, MUST), (f"{WHSEC} x", MUST), (f" {WHSEC}\n", Means([WHSEC])),
    ],
    "inbound_imap_url": [
        ("imaps://host/INBOX", MUST), ("imaps://@host", MUST), ("imaps://u:hush@host", MUST), ("https://u@host", MUST),
        ("imaps:u@host", MUST), ("imaps://u@", MUST), ("imaps://u@h:0", MUST), ("imaps://u@h:x", MUST),
        ("imaps://u@h/a?b", MUST), ("imaps://u@h/a#b", MUST), ("imaps://u;AUTH=*@h/", MUST), ("imaps://u@127.1/", MUST),
        ("imaps://u@h/a%0d%0ab", MUST), ("imaps://u%00@h/", MUST), ("imaps://u%ff@h/", MUST), ("imaps://u@[::1", MUST),
        (" imaps://b%40b.example@imap.b.example:1993/Post%2Fb\n",
         Means("imaps://b%40b.example@imap.b.example:1993/Post%2Fb")),
        ("imap://u@[::1]", Means("imap://u@[::1]")),
    ],
    "inbound_imap_password": [("x" * 501, MUST), ("hush\n", SPACES), (" hush", SPACES), ("p\u00e4", Means("p\u00e4"))],
    "inbound_imap_ca_file": [*PATHS, ("/nowhere/c.pem", "cannot be read"), ("/", "cannot be read"), (__file__, "PEM")],
    "notifier_host": [
        ("a host", MUST), ("a/b", MUST), ("x" * 65, MUST), ("b\u00fc", MUST), ("a:b", MUST), (" w-1\n", Means("w-1")),
    ],
    "postal_address": [("x" * 501, MUST), (" Acme, <b>Leeds</b> \n", Means("Acme, <b>Leeds</b>"))],
}  # fmt: skip


def kind_of(field: FieldInfo) -> Any:
    """The type of a setting, without None."""
    annotation: Any = field.annotation
    if get_origin(annotation) is Literal:
        return Literal
    return next((each for each in get_args(annotation) if each is not NoneType), annotation)


def rows_of(name: str, field: FieldInfo) -> list[tuple[str, Any]]:
    """Its wrong values: those of its type, or its own."""
    kind = kind_of(field)
    if kind in (int, float):
        return list(numbers(name, field, whole=kind is int))
    if kind is bool:
        return BOOLEANS
    if kind is Literal:
        return choices(field)
    assert name in TEXTS, f"{name.upper()} is new: give it wrong values in TEXTS"
    return ANY_TEXT + TEXTS[name]


def lowest(field: FieldInfo) -> float:
    """The lowest value that is allowed, or one just above what is not."""
    for limit in field.metadata:
        if isinstance(limit, Ge):
            return limit.ge  # type: ignore[return-value]
        if isinstance(limit, Gt):
            return limit.gt + 0.001  # type: ignore[operator, no-any-return]
    raise AssertionError("no lower limit")


def highest(field: FieldInfo) -> float:
    for limit in field.metadata:
        if isinstance(limit, Le):
            return limit.le  # type: ignore[return-value]
        if isinstance(limit, Lt):
            return limit.lt - 0.001  # type: ignore[operator, no-any-return]
    raise AssertionError("no upper limit")


def numbers(name: str, field: FieldInfo, *, whole: bool) -> Iterator[tuple[str, Any]]:
    for text in ("x", "-1", "nan", "inf", "-inf", "1e999", "9" * 400, "5s", "1,5", "0x10", "1 000", "\u0663 3", "true"):
        yield text, MUST
    yield f"{highest(field) + 1:f}" if not whole else f"{int(highest(field)) + 1}", MUST
    yield f"{lowest(field) - 1:f}" if not whole else f"{int(lowest(field)) - 1}", MUST
    if whole:
        yield f"{int(lowest(field))}.5", MUST
    yield "'5'", QUOTES
    yield "5\x01", control("\x01")
    yield "5\udcff", NOT_TEXT
    yield "", DEFAULT
    yield " \n", DEFAULT
    good = GOOD.get(name, highest(field)) if field.default is None else field.default
    yield f" {good}\r\n", Means(good)


BOOLEANS: list[tuple[str, Any]] = [
    ("may", MUST), ("2", MUST), ("-1", MUST), ("ja", MUST), ("1.5", MUST), ("nan", MUST), ("1,", MUST), ("null", MUST),
    ("'1'", QUOTES), ("1\x01", control("\x01")), ("1\udcff", NOT_TEXT), ("", DEFAULT), (" ", DEFAULT),
    (" OFF \n", Means(False)), ("False", Means(False)), ("0", Means(False)), ("no", Means(False)),
]  # fmt: skip


def choices(field: FieldInfo) -> list[tuple[str, Any]]:
    first, *_ = get_args(field.annotation)
    wrong = (first.upper(), first[:-1], f"{first}s", "0", "1", "x" * 10_000, f"{first},{first}", "null")
    return [
        *((text, MUST) for text in wrong), (f'"{first}"', QUOTES), (f"{first}\x01", control("\x01")), ("", DEFAULT),
        (f" {first}\n", Means(first)),
    ]  # fmt: skip


Row = tuple[str, str, Any]
ROWS: list[Row] = [(name, value, expected) for name in FIELDS for value, expected in rows_of(name, FIELDS[name])]


#: What is found before or after all other mistakes.
ALONE = [row for row in ROWS if isinstance(row[2], str) and (row[2] not in NEVER or row[0] == "notifier_data_dir")]


def rounds(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """One row of each setting at a time, because a load takes as long as a hundred mistakes in it."""
    waiting: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        waiting[row[0]].append(row)
    return ([row for row in together if row] for together in zip_longest(*waiting.values()))


def start() -> Settings:
    """Everything that a start reads from settings before it opens a file or a connection to go by them."""
    settings = load_settings()
    transport_configs(settings)
    Staging.from_settings(settings)
    return settings


def refusal() -> list[str]:
    """The lines with which this start ends."""
    try:
        start()
    except ConfigError as error:
        return str(error).splitlines()
    return []


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Mapping[str, str]], None]:
    """Make these settings, and no others, the environment."""
    monkeypatch.chdir(tmp_path)

    def put(values: Mapping[str, str]) -> None:
        for name in FIELDS:
            monkeypatch.delenv(name.upper(), raising=False)
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), value)

    return put


Put = Callable[[Mapping[str, str]], None]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_ten_wrong_values(name: str) -> None:
    assert len(rows_of(name, FIELDS[name])) >= 10


def test_what_no_setting_may_hold_gets_one_line(environ: Put) -> None:
    for rows in rounds(row for row in ROWS if row[2] in NEVER and row not in ALONE):
        environ({name: value for name, value, _ in rows})
        assert sorted(refusal()) == sorted(f"{name.upper()}: {line}" for name, _, line in rows)


def test_what_a_setting_cannot_be_gets_one_line(environ: Put) -> None:
    for rows in rounds(row for row in ROWS if row[2] is MUST):
        environ({name: value for name, value, _ in rows})
        expected = [f"{name.upper()}: must be {allowed(FIELDS[name])}" for name, _, _ in rows]
        found = refusal()
        assert sorted(found) == sorted(expected), rows


def test_what_is_empty_is_not_set(environ: Put) -> None:
    for rows in rounds(row for row in ROWS if row[2] is DEFAULT):
        environ({name: value for name, value, _ in rows})
        assert start().model_dump() == {name: field.default for name, field in FIELDS.items()}


def test_what_can_be_meant_works_as_meant(environ: Put, tmp_path: Path) -> None:
    beside = {**BESIDE, "mail_dkim_key_file": str(key_file(tmp_path))}
    for rows in rounds(row for row in ROWS if isinstance(row[2], Means) and row[2] is not DEFAULT):
        environ(beside | {name: value for name, value, _ in rows})
        settings = start()
        for name, value, means in rows:
            assert getattr(settings, name) == means.value, (name, value)


@pytest.mark.parametrize("name", sorted({name for name, _, _ in ALONE}))
def test_what_is_wrong_with_one_setting_gets_one_line(name: str, environ: Put, tmp_path: Path) -> None:
    beside = DKIM | {"mail_dkim_key_file": str(key_file(tmp_path))} if name.startswith("mail_dkim") else {}
    for _, value, expected in (row for row in ALONE if row[0] == name):
        environ(beside | {name: value})
        (line,) = refusal() or [f"{value!r} is accepted"]
        assert line.startswith(f"{name.upper()}: "), value
        assert expected in line, value


def test_no_line_holds_a_password(environ: Put) -> None:
    secret = "hush"
    wrong = {
        "database_url": f"postgresql://u:{secret}@db:x/n", "redis_url": f"redis://:a/{secret}@db/0",
        "celery_broker_url": f"amqp://u:{secret}:x@mq:1x//", "secret_keys": f"{secret}\x01",
        "mail_password": f"{secret} ", "inbound_imap_url": f"imaps://u:{secret}@b.example",
        "public_url": f"https://{secret}:{secret}@a.example", "mail_username": f"'{secret}'",
    }  # fmt: skip
    for name, value in wrong.items():
        environ({name: value})
        (line,) = refusal()
        assert secret not in line, name


@pytest.mark.parametrize("limit", [lowest, highest])
def test_the_limits_of_all_numbers_start(
    limit: Callable[[FieldInfo], float], environ: Put, migrated_sqlite: Path, tmp_path: Path
) -> None:
    """No value that is allowed is too small or too large for what it is used for."""
    numbers = {name: str(limit(field)) for name, field in FIELDS.items() if kind_of(field) in (int, float)}
    leases = {"mail_lease": "3600", "mail_fence": "3599", "mail_heartbeat": "0.001"}
    key = {"mail_dkim_key_file": str(key_file(tmp_path))}
    environ(numbers | leases | BESIDE | key | {"notifier_env": "test", "database_url": f"sqlite:///{migrated_sqlite}"})
    assert create_app().test_client().get("/signup").status_code == 200


LINES = [
    "TRUSTED_PROXIES: must be a whole number from 0 to 5",
    "MAIL_PORT: must be a whole number from 1 to 65535",
]


def test_a_command_ends_with_the_lines_alone(environ: Put) -> None:
    environ({"mail_port": "smtp", "trusted_proxies": "6"})
    result = CliRunner().invoke(cli, ["outbox", "sweep"])
    assert (result.exit_code, result.output.splitlines()) == (1, LINES)


def test_a_real_start_of_the_web_ends_with_the_lines_alone(tmp_path: Path) -> None:
    env = {**os.environ, "NOTIFIER_DATA_DIR": str(tmp_path), "MAIL_PORT": "smtp", "TRUSTED_PROXIES": "6"}
    done = subprocess.run(
        [sys.executable, "-m", "gunicorn", "wsgi:app", "--bind", "127.0.0.1:0"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.splitlines()) == (3, LINES)


UP_OPTIONS = {
    "--web-port": ["", "x", "-1", "65536", "1.5", "nan", "0x10", "9" * 30, "'1'", "8 000"],
    "--host": [
        "999.1.1.1",
        "a b",
        "http://127.0.0.1",
        "127.0.0.1:80",
        "192.0.2.1",
        "::1",
        "'x'",
        "-",
        "*",
        "a..",
        "\x01",
    ],
    "--data-dir": [__file__, f"{__file__}/x", "x" * 300],
}
UP_OPTIONS |= dict.fromkeys(("--inbox-port", "--smtp-port", "--bounce-port"), UP_OPTIONS["--web-port"])


@pytest.mark.parametrize("option", UP_OPTIONS)
def test_a_wrong_option_of_up_is_named(option: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTIFIER_DATA_DIR", str(tmp_path / "var"))
    for value in UP_OPTIONS[option]:
        result = CliRunner().invoke(up, [f"{option}={value}"])
        assert isinstance(result.exception, SystemExit), (value, result.exception)
        assert result.exit_code != 0
        assert option in result.output.splitlines()[-1], (value, result.output)


def test_every_text_setting_of_the_table_exists() -> None:
    assert [name for name in TEXTS if name not in FIELDS] == []


@pytest.mark.parametrize("option", sorted(REDIS))
def test_redis_reads_every_option_that_is_allowed(option: str, environ: Put) -> None:
    value = {"protocol": "3", "socket_keepalive": "true", "retry_on_timeout": "false"}.get(option, "7")
    url = f"redis://127.0.0.1:1?{option}={value}"
    environ({"redis_url": url, "celery_broker_url": "redis://127.0.0.1:1/0"})
    client = Redis.from_url(start().redis_url, retry=Retry(NoBackoff(), 0))
    with pytest.raises(RedisConnectionError, match="refused"):
        client.ping()


def test_an_empty_file_and_a_database_are_accepted(environ: Put, migrated_sqlite: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    for path in (tmp_path / "empty.db", migrated_sqlite, tmp_path / "new" / "folder" / "x.db"):
        environ({"database_url": f"sqlite:///{path}"})
        assert start().database_url == f"sqlite:///{path}"
