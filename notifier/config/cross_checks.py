"""Rules between settings, and rules for production. One line for each mistake."""

import re
from collections.abc import Iterator
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from notifier.config import sentinel_url
from notifier.config.url_options import REDIS_TLS, options_of

if TYPE_CHECKING:
    from notifier.config.settings import Settings

#: Signs links on a developer's machine. Production refuses it by name.
DEVELOPMENT_SECRET = "development-only-secret-do-not-use-in-production"

#: Used in emails until they are set. Production refuses both.
EXAMPLE_SENDER = "Notifier <hello@notifier.example>"
EXAMPLE_POSTAL_ADDRESS = "Notifier, 1 Example Street, Example Town"

#: A random key of 32 characters has more different ones than this, in hexadecimal too.
FEWEST_DIFFERENT = 8

#: A key that repeats this many characters or fewer from its beginning to its end is refused.
LONGEST_PERIOD = 10

#: Placeholders from tutorials and templates of env files.
_PLACEHOLDER = re.compile(
    r"change[-_. ]?(?:it|me|this)|replace[-_. ]?(?:it|me|this)|your[-_. ]?(?:own[-_. ]?)?secret"
    r"|placeholder",
    re.IGNORECASE,
)

#: The domain of our own example, and those from which no email can come (RFC 6761, RFC 6762), with all below them.
_RESERVED = re.compile(r"(?:.*\.)?(?:notifier\.example|test|invalid|localhost|local)\Z", re.IGNORECASE)

_MAKE_A_KEY = "make one with python3 -c 'import secrets; print(secrets.token_urlsafe(32))'"


def is_loopback(host: str) -> bool:
    """Return True if `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_reserved(domain: str) -> bool:
    """Return True for a domain of examples and tests, from which no email can come."""
    return _RESERVED.match(domain) is not None


def mistakes_everywhere(settings: "Settings") -> Iterator[str]:
    """Yield the mistakes that no environment allows."""
    if not settings.secret_keys:
        yield "SECRET_KEYS: at least one key is needed"
    if settings.mail_use_tls and settings.mail_use_ssl:
        yield "MAIL_USE_TLS and MAIL_USE_SSL: choose one (STARTTLS or TLS from the first byte)"
    if not settings.heartbeat < settings.fence < settings.mail_lease:
        yield (
            f"MAIL_HEARTBEAT ({settings.heartbeat:g} s) must be shorter than MAIL_FENCE ({settings.fence:g} s), "
            f"and that shorter than MAIL_LEASE ({settings.mail_lease:g} s), or two hosts may send the same email"
        )
    if settings.mail_probe_longest < settings.mail_probe_first:
        yield "MAIL_PROBE_LONGEST: must not be shorter than MAIL_PROBE_FIRST"
    if bool(settings.mail_username) != bool(settings.mail_password):
        yield "MAIL_USERNAME and MAIL_PASSWORD: set both or neither"
    if settings.notifier_env != "test" and settings.celery_broker_url.startswith("memory:"):
        yield "CELERY_BROKER_URL: memory:// is for tests: no other process can read from it"
    yield from _limits_without_redis(settings)
    yield from _options_without_broker(settings)


def _limits_without_redis(settings: "Settings") -> Iterator[str]:
    if settings.redis_url or (settings.starts_redis and not settings.broker_url):
        return
    for name in ("mail_rate", "mail_rate_per_domain", "mail_concurrency_per_domain"):
        if getattr(settings, name) is not None:
            yield f"{name.upper()} needs REDIS_URL, where all workers count together"


def _options_without_broker(settings: "Settings") -> Iterator[str]:
    if settings.celery_broker_url or sentinel_url.is_sentinel(settings.redis_url):
        return
    for name, _ in options_of(urlsplit(settings.redis_url)):
        if name not in REDIS_TLS:
            yield f"REDIS_URL: Celery has no option {name!r}: remove it, or set CELERY_BROKER_URL without it"


def mistakes_in_production(settings: "Settings") -> Iterator[str]:
    """Yield mistakes that are fine for a trial but wrong for real recipients."""
    tls = settings.mail_use_tls or settings.mail_use_ssl
    rules = {
        f"SECRET_KEYS: the development secret must not be used in production; {_MAKE_A_KEY}": (
            DEVELOPMENT_SECRET in settings.secret_keys
        ),
        "SECRET_KEYS: each key needs 32 characters or more": any(len(key) < 32 for key in settings.secret_keys),
        f"SECRET_KEYS: a key repeats a few characters; {_MAKE_A_KEY}": any(map(_is_guessable, settings.secret_keys)),
        f"SECRET_KEYS: a key is the text of an example; {_MAKE_A_KEY}": any(
            map(_PLACEHOLDER.search, settings.secret_keys)
        ),
        "PUBLIC_URL: production needs the base URL of links in emails": not settings.public_url,
        "PUBLIC_URL: production links must be https": settings.public_url.startswith("http://"),
        "DATABASE_URL: production needs a database of its own": not settings.database_url,
        "REDIS_URL or CELERY_BROKER_URL: production needs a broker of its own": not settings.broker_url,
        "MAIL_USERNAME needs MAIL_USE_TLS or MAIL_USE_SSL: credentials are never sent without TLS": bool(
            settings.mail_username and not tls
        ),
        "MAIL_USE_TLS or MAIL_USE_SSL: set one; only a mail server on this machine may be used without TLS": not (
            tls or is_loopback(settings.mail_server)
        ),
        "MAIL_DEFAULT_SENDER: the example sender and domains such as .test, .local and localhost must "
        "not be used in production: use an address of your own domain": is_reserved(settings.sender_domain),
        "POSTAL_ADDRESS: the example address must not be used in production: write your own": (
            settings.postal_address == EXAMPLE_POSTAL_ADDRESS
        ),
        "WEBHOOK_LOOPBACK=1: webhooks must not call this machine in production": settings.webhook_loopback,
        "RATELIMIT_ENABLED=0: limits cannot be turned off in production": not settings.ratelimit_enabled,
    }
    yield from (line for line, wrong in rules.items() if wrong)
    yield from _unverified_brokers(settings)
    if not settings.allow_open_broker:
        yield from _open_brokers(settings)


def _unverified_brokers(settings: "Settings") -> Iterator[str]:
    for name in ("redis_url", "celery_broker_url"):
        if ("ssl_cert_reqs", "none") in options_of(urlsplit(getattr(settings, name))):
            yield (
                f"{name.upper()}: with ssl_cert_reqs=none, any server can get the password: "
                "name the broker's CA in ssl_ca_certs"
            )


def _open_brokers(settings: "Settings") -> Iterator[str]:
    """Yield mistakes of a broker. All who can reach it can read and add tasks, so a remote one needs a password.

    See CVE-2022-30034.
    """
    for name in ("redis_url", "celery_broker_url"):
        hosts, password = _hosts_and_password(getattr(settings, name))
        if not password and not all(map(is_loopback, hosts)):
            yield f"{name.upper()}: a broker on another machine needs a password, unless ALLOW_OPEN_BROKER=1"


def _hosts_and_password(url: str) -> tuple[list[str], str | None]:
    """Return the hosts of a broker that are not part of this process, and its password."""
    if sentinel_url.is_sentinel(url):
        found = sentinel_url.read(url)
        return [host for host, _ in found.hosts], found.password
    parts = urlsplit(url)
    return [parts.hostname] if parts.hostname and parts.scheme != "memory" else [], parts.password


def _is_guessable(key: str) -> bool:
    """Return True for a key long enough that has few different characters, or repeats its beginning to the end."""
    if len(key) < 32:
        return False
    repeats = any(key.startswith(key[size:]) for size in range(1, LONGEST_PERIOD + 1))
    return repeats or len(set(key)) < FEWEST_DIFFERENT
