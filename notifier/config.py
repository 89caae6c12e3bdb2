"""Settings: read from the environment once, checked once, one plain line for each mistake.

Names are those that people know: Flask-Mail's `MAIL_*`, Flask-Limiter's `RATELIMIT_ENABLED`,
Celery's `CELERY_BROKER_URL`. Units are seconds unless a name says otherwise.
"""

import os
import re
from email.utils import parseaddr
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

#: Signs links on a developer's machine. Production refuses it by name.
DEVELOPMENT_SECRET = "development-only-secret-do-not-use-in-production"


class ConfigError(SystemExit):
    """The settings do not allow a start. Its text has one line for each mistake."""


def is_loopback(host: str) -> bool:
    """True where `host` can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _port_is_right(url: str) -> bool:
    """False where what stands in the place of a port is none."""
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


class Settings(BaseSettings):
    """Everything that the environment decides. Immutable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    notifier_env: Literal["development", "test", "production"] = "development"
    notifier_data_dir: Path = Path("var")
    public_url: str = ""
    #: Oldest to newest: the last one signs, all of them verify.
    secret_keys: Annotated[list[str], NoDecode] = [DEVELOPMENT_SECRET]
    database_url: str = ""
    redis_url: str = ""
    celery_broker_url: str = ""
    #: Reverse proxies in front of the web process whose X-Forwarded-* may be believed.
    trusted_proxies: int = Field(0, ge=0, le=5)
    #: The development inbox, shown as a link; `./run up` sets it.
    inbox_url: str = ""

    mail_server: str = "127.0.0.1"
    mail_port: int = Field(1025, ge=1, le=65535)
    mail_use_tls: bool = False
    mail_use_ssl: bool = False
    mail_username: str | None = None
    mail_password: str | None = None
    mail_default_sender: str = "Notifier <hello@notifier.example>"
    mail_suppress_send: bool | None = None
    mail_reply_to: str | None = None
    #: Where bounces come back (VERP); the sender's domain when unset.
    mail_bounce_domain: str | None = None
    #: A private certificate authority for the mail server, PEM.
    mail_ca_file: Path | None = None
    #: More ways out, a TOML file: docs/transports.md.
    mail_transports: Path | None = None
    #: DKIM signatures on what leaves by MAIL_SERVER: all three or none.
    mail_dkim_domain: str | None = None
    mail_dkim_selector: str | None = None
    mail_dkim_key_file: Path | None = None
    #: Staging: every mail goes to this address / only these addresses and domains are mailed.
    mail_redirect_to: str | None = None
    mail_allow: str | None = None
    #: Accept addresses with a local part outside ASCII (RFC 6531).
    mail_smtputf8: bool = True
    mail_timeout_connect: float = Field(10, gt=0)
    mail_timeout_command: float = Field(60, gt=0)
    mail_timeout_body: float = Field(180, gt=0)
    mail_timeout_eod: float = Field(300, gt=0)
    mail_timeout_quit: float = Field(5, gt=0)
    mail_timeout_total: float = Field(420, gt=0)
    #: How many connections one worker process may use at once for bulk mail.
    mail_connections: int = Field(10, ge=1, le=500)
    #: Mails a second over all workers: in all, and to one recipient domain. None: no limit.
    mail_rate: float | None = Field(None, gt=0)
    mail_rate_per_domain: float | None = Field(None, gt=0)
    #: The share of a campaign's mails whose content may be refused (of 50 at least) before it is paused.
    mail_content_refusals: float = Field(0.05, gt=0, le=1)
    #: Mails on their way to one recipient domain at a time, over all workers. None: no limit.
    mail_concurrency_per_domain: int | None = Field(None, gt=0)
    #: Mails that one user gets from campaigns in seven days, security mail aside. None: no cap.
    mail_cap_per_week: int | None = Field(None, ge=1)
    #: How long a claim holds. Must outlast mail_timeout_total.
    mail_lease: float = Field(480, gt=0)

    #: People who want a digest as soon as something happens: within so long, and one email in so long.
    digest_within: float = Field(300, ge=120, le=3600)
    digest_gap: float = Field(3600, ge=60, le=86_400)
    #: How long after the end of a month its reports wait for activities of its last moments.
    report_grace: float = Field(3600, ge=0, le=86_400)
    ratelimit_enabled: bool = True
    #: How often the sweep runs, and how long a new row may wait before the sweep rings for it.
    sweep_interval: float = Field(5, gt=0)
    sweep_grace: float = Field(5, gt=0)
    postal_address: str = "Notifier, 1 Example Street, Example Town"

    @field_validator("secret_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: Any) -> Any:
        """`SECRET_KEYS=old,new` as people write it."""
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("public_url")
    @classmethod
    def _check_public_url(cls, value: str) -> str:
        if not value:
            return value
        parts = urlsplit(value)
        whole = parts.hostname and not (parts.query or parts.fragment or parts.username or parts.password)
        if parts.scheme not in {"http", "https"} or not whole or not _port_is_right(value):
            raise ValueError("must be an absolute http(s) address such as https://app.example.com")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        known = ("postgresql://", "postgresql+psycopg://", "postgres://", "sqlite:///")
        if value and not (value.startswith(known) and (value.startswith("sqlite") or _port_is_right(value))):
            raise ValueError("must be postgresql://user:password@host/name or sqlite:////path/to/file")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: str) -> str:
        if value and not (value.startswith(("redis://", "rediss://")) and _port_is_right(value)):
            raise ValueError("must be redis://:password@host:6379/0, or rediss:// for TLS")
        return value

    @field_validator("mail_bounce_domain")
    @classmethod
    def _check_domain(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?", value):
            raise ValueError("must be a domain such as bounces.example.com")
        return value

    @field_validator("mail_default_sender", "mail_reply_to")
    @classmethod
    def _check_mailbox(cls, value: str | None) -> str | None:
        if value is not None and "@" not in parseaddr(value)[1]:
            raise ValueError("must be an address, or Name <address>")
        return value

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [*self._mistakes_everywhere()]
        if self.notifier_env == "production":
            problems += self._mistakes_in_production()
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _mistakes_everywhere(self) -> list[str]:
        problems = []
        if not self.secret_keys:
            problems.append("SECRET_KEYS: at least one key is needed")
        if self.mail_use_tls and self.mail_use_ssl:
            problems.append("MAIL_USE_TLS and MAIL_USE_SSL: choose one (STARTTLS or TLS from the first byte)")
        if self.mail_lease <= self.mail_timeout_total:
            problems.append("MAIL_LEASE: must be longer than MAIL_TIMEOUT_TOTAL, or two workers may hold one mail")
        if bool(self.mail_username) != bool(self.mail_password):
            problems.append("MAIL_USERNAME and MAIL_PASSWORD: set both or neither")
        if not self.redis_url:
            limits = ("mail_rate", "mail_rate_per_domain", "mail_concurrency_per_domain")
            counted = [name.upper() for name in limits if getattr(self, name) is not None]
            problems += [f"{name} needs REDIS_URL: all workers count there together" for name in counted]
        return problems

    def _mistakes_in_production(self) -> list[str]:
        tls = self.mail_use_tls or self.mail_use_ssl
        own_machine = is_loopback(self.mail_server)
        rules = {
            "SECRET_KEYS: the development secret is not for production": DEVELOPMENT_SECRET in self.secret_keys,
            "SECRET_KEYS: each key needs 32 characters or more": any(len(key) < 32 for key in self.secret_keys),
            "PUBLIC_URL: production needs the address that links in mails start with": not self.public_url,
            "PUBLIC_URL: production links must be https": self.public_url.startswith("http://"),
            "DATABASE_URL: production needs a database of its own": not self.database_url,
            "REDIS_URL or CELERY_BROKER_URL: production needs a broker of its own": not self.broker_url,
            "MAIL_USERNAME needs MAIL_USE_TLS or MAIL_USE_SSL: credentials never travel in clear": bool(
                self.mail_username and not tls
            ),
            "MAIL_USE_TLS or MAIL_USE_SSL: only a mail server on this machine may do without": not (tls or own_machine),
            "RATELIMIT_ENABLED=0: limits cannot be lifted in production": not self.ratelimit_enabled,
        }
        return [line for line, wrong in rules.items() if wrong]

    @property
    def broker_url(self) -> str:
        """What Celery talks to: `CELERY_BROKER_URL`, else `REDIS_URL`."""
        return self.celery_broker_url or self.redis_url

    @property
    def sqlalchemy_url(self) -> str:
        """`DATABASE_URL` with the driver that we ship, or SQLite in the data folder."""
        url = self.database_url or f"sqlite:///{(self.notifier_data_dir / 'notifier.db').resolve()}"
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url

    @property
    def link_base(self) -> str:
        """What every link in a mail starts with; never taken from a request."""
        return self.public_url or "http://127.0.0.1:8000"

    @property
    def sender_domain(self) -> str:
        """The domain of the From address: Message-IDs and bounces live there."""
        return parseaddr(self.mail_default_sender)[1].rpartition("@")[2]


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment (and, in development, from a running `./run up`).

    Raises ConfigError with one line for each mistake.
    """
    data_dir = Path(os.environ.get("NOTIFIER_DATA_DIR", "var"))
    development = os.environ.get("NOTIFIER_ENV", "development") == "development"
    env_file = data_dir / "up.env" if development else None
    try:
        return Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(error))) from None


def _lines(error: ValidationError) -> list[str]:
    """One line for each mistake, without the value: it may be a secret."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in item["loc"]).upper()
        text = item["msg"].removeprefix("Value error, ")
        lines += [f"{name}: {text}"] if name else text.splitlines()
    return lines
