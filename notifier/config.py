"""Settings: read from the environment once, checked once, one plain line for each mistake.

Names are those that people know: Flask-Mail's `MAIL_*`, Flask-Limiter's `RATELIMIT_ENABLED`,
Celery's `CELERY_BROKER_URL`. Units are seconds unless a name says otherwise.
"""

import os
import re
import secrets
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from notifier.addresses import AddressError, parse_address
from notifier.config_rules import (
    BROKERS,
    DEVELOPMENT_SECRET,
    EXAMPLE_POSTAL_ADDRESS,
    EXAMPLE_SENDER,
    is_host,
    mistakes_everywhere,
    mistakes_in_production,
    port_is_right,
    quoted,
)
from notifier.mailboxes import Mailbox, parse_mailbox

#: In the data folder of a developer: signs links there, and nowhere else.
KEY_FILE = "secret.key"


class ConfigError(SystemExit):
    """The settings do not allow a start. Its text has one line for each mistake."""


class Settings(BaseSettings):
    """Everything that the environment decides. Immutable."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    notifier_env: Literal["development", "test", "production"] = "development"
    notifier_data_dir: Path = Path("var")
    public_url: str = ""
    #: Oldest to newest: the last one signs, all of them verify.
    secret_keys: Annotated[list[str], NoDecode] = [DEVELOPMENT_SECRET]
    database_url: str = ""
    #: How long a new connection to Postgres may take, per address; also the wait for one of the pool.
    database_connect_timeout: int = Field(3, ge=2, le=60)
    #: Off behind PgBouncer in transaction mode. auto finds out by itself.
    database_prepared_statements: Literal["auto", "on", "off"] = "auto"
    #: `db upgrade` on Postgres: how long a statement waits for a table in use, and how often all of it tries again.
    migration_lock_timeout: float = Field(2, ge=0.1, le=60)
    migration_lock_tries: int = Field(30, ge=1)
    redis_url: str = ""
    celery_broker_url: str = ""
    #: Start in production although a broker on another machine has no password.
    allow_open_broker: bool = False
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
    mail_default_sender: str = EXAMPLE_SENDER
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
    #: A run is paused where more than this share of its emails, of so many at least, cannot be made.
    mail_content_failures: float = Field(0.05, gt=0, le=1)
    mail_content_failures_least: int = Field(20, ge=1)
    #: Seconds from a hold to its first probe, and at most from one probe to the next: each waits twice as long.
    mail_probe_first: float = Field(60, gt=0, le=3600)
    mail_probe_longest: float = Field(300, gt=0, le=86400)
    #: Held domains of one provider's customers, within ten minutes, that show that the provider itself refuses us.
    mail_provider_witnesses: int = Field(5, ge=1)
    #: For how long the mail servers of a domain (MX) are remembered. 0: DNS is never asked for them.
    mail_mx_ttl: float = Field(7 * 86400.0, ge=0, le=366 * 86400)
    #: Mails on their way to one recipient domain at a time, over all workers. None: no limit.
    mail_concurrency_per_domain: int | None = Field(None, gt=0)
    #: Mails that one user gets from campaigns in seven days, security mail aside. None: no cap.
    mail_cap_per_week: int | None = Field(None, ge=1)
    #: How long a claim holds that its process does not renew.
    mail_lease: float = Field(30, ge=1)
    #: After so long without a renewal a process begins no further email. None: two thirds of the lease.
    mail_fence: float | None = Field(None, gt=0)
    #: How often a process renews its claims. None: a sixth of the lease.
    mail_heartbeat: float | None = Field(None, gt=0)
    #: Deaths of processes that were making an email, after which it is made alone.
    mail_deaths: int = Field(2, ge=1, le=100)
    #: Wait for the disk before each email, so that after a crash of the host the journal is believed: docs/runbook.md.
    journal_durable: bool = False
    #: What this host is called in claims and in health. The system's own name when unset.
    notifier_host: str = Field("", pattern=r"^[A-Za-z0-9._-]{0,64}$")
    #: How long a measurement of the database's clock is used, and from which difference on a warning is logged.
    database_clock_max_age: float = Field(60, gt=0, le=60)
    database_clock_warn_above: float = Field(5, gt=0)
    #: A worker that is asked to stop has ended after so long.
    stop_grace: float = Field(25, gt=0)

    #: Messages of the broker that no worker could run: so many are kept for operators, the newest.
    rejected_messages_kept: int = Field(100, ge=1, le=10_000)
    #: A larger message is rejected unread. Bytes; a batch of 1,000 keys takes 20,000 at most.
    message_max_bytes: int = Field(1024 * 1024, ge=64 * 1024)

    #: People who want a digest as soon as something happens: within so long, and one email in so long.
    digest_within: float = Field(300, ge=120, le=3600)
    digest_gap: float = Field(3600, ge=60, le=86_400)
    #: How long after the end of a month its reports wait for activities of its last moments.
    report_grace: float = Field(3600, ge=0, le=86_400)
    ratelimit_enabled: bool = True
    #: Emails that sign-ups and resends may cause: to one mailbox in a day, whatever its tags; and first emails in an
    #: hour to one domain of no known provider for one network.
    signup_emails_per_day: int = Field(5, ge=1)
    signup_emails_per_hour: int = Field(20, ge=1)
    #: More than this share of the last so many first emails bounced hard: they go out so slowly.
    first_email_bounces: float = Field(0.2, gt=0, lt=1)
    first_email_window: int = Field(100, ge=10, le=10_000)
    first_emails_per_minute: float = Field(10, gt=0)
    #: Seconds. The public forms are answered at multiples of it, so that the time says nothing; 0: as soon as possible.
    form_answer_step: float = Field(0.1, ge=0, le=2)
    #: Days without email for an address whose owner says that they did not sign up.
    not_me_days: int = Field(30, ge=1, le=3650)
    #: How often the sweep runs, and how long a new row may wait before the sweep rings for it.
    sweep_interval: float = Field(5, gt=0)
    sweep_grace: float = Field(5, gt=0)
    postal_address: str = EXAMPLE_POSTAL_ADDRESS

    @model_validator(mode="before")
    @classmethod
    def _refuse_quotes(cls, values: Any) -> Any:
        if isinstance(values, dict) and (problems := [*quoted(values)]):
            raise ValueError("\n".join(problems))
        return values

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
        if parts.scheme not in {"http", "https"} or not whole or not port_is_right(value):
            raise ValueError("must be an absolute http(s) address such as https://app.example.com")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _check_database(cls, value: str) -> str:
        known = ("postgresql://", "postgresql+psycopg://", "postgres://", "sqlite:///")
        if value and not (value.startswith(known) and (value.startswith("sqlite") or port_is_right(value))):
            raise ValueError("must be postgresql://user:password@host/name or sqlite:////path/to/file")
        return value

    @field_validator("redis_url")
    @classmethod
    def _check_redis(cls, value: str) -> str:
        if value and not (value.startswith(("redis://", "rediss://")) and port_is_right(value)):
            raise ValueError("must be redis://:password@host:6379/0, or rediss:// for TLS")
        return value

    @field_validator("celery_broker_url")
    @classmethod
    def _check_broker(cls, value: str) -> str:
        if value and not (urlsplit(value).scheme in BROKERS and port_is_right(value)):
            raise ValueError(f"must begin with one of {', '.join(f'{scheme}://' for scheme in BROKERS[:4])}")
        return value

    @field_validator("mail_server")
    @classmethod
    def _check_server(cls, value: str) -> str:
        if not is_host(value):
            raise ValueError("must be a host name or an IP address alone; the port is MAIL_PORT")
        return value

    @field_validator("mail_bounce_domain")
    @classmethod
    def _check_domain(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            return parse_address(f"x@{value}", allow_local=True).domain
        except AddressError:
            raise ValueError("must be a domain such as bounces.example.com") from None

    @field_validator("mail_default_sender", "mail_reply_to")
    @classmethod
    def _check_mailbox(cls, value: str | None) -> str | None:
        return None if value is None else str(parse_mailbox(value, allow_local=True))

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        problems = [*mistakes_everywhere(self)]
        if self.notifier_env == "production":
            problems += mistakes_in_production(self)
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @property
    def host(self) -> str:
        """What this host is called: `NOTIFIER_HOST`, else the system's name of it."""
        return self.notifier_host or re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname()) or "host"

    @property
    def fence(self) -> float:
        """Seconds without a renewal after which nothing more is begun."""
        return self.mail_lease * 2 / 3 if self.mail_fence is None else self.mail_fence

    @property
    def heartbeat(self) -> float:
        """Seconds between two renewals."""
        return self.mail_lease / 6 if self.mail_heartbeat is None else self.mail_heartbeat

    @property
    def broker_url(self) -> str:
        """What Celery talks to: `CELERY_BROKER_URL`, else `REDIS_URL`."""
        return self.celery_broker_url or self.redis_url

    @property
    def sqlalchemy_url(self) -> str:
        """`DATABASE_URL` with the driver that we ship, or SQLite in the data folder."""
        # A percent sign or a question mark in a folder's name would be read as a part of the URL.
        path = quote(str((self.notifier_data_dir / "notifier.db").resolve()), safe="/ ")
        url = self.database_url or f"sqlite:///{path}"
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
        return self.sender.address.rpartition("@")[2]

    @property
    def sender(self) -> Mailbox:
        """The From of every email."""
        return parse_mailbox(self.mail_default_sender, allow_local=True)

    @property
    def reply_to(self) -> Mailbox | None:
        """The Reply-To of every email."""
        return parse_mailbox(self.mail_reply_to, allow_local=True) if self.mail_reply_to else None


def load_settings(**overrides: Any) -> Settings:
    """Settings from the environment (and, in development, from a running `./run up`).

    Raises ConfigError with one line for each mistake.
    """
    data_dir = Path(os.environ.get("NOTIFIER_DATA_DIR", "var"))
    development = os.environ.get("NOTIFIER_ENV", "development") == "development"
    env_file = data_dir / "up.env" if development else None
    try:
        settings = Settings(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise ConfigError("\n".join(_lines(error))) from None
    key = _development_key(data_dir) if development and "secret_keys" not in settings.model_fields_set else None
    return settings.model_copy(update={"secret_keys": [key]}) if key else settings


def make_development_key(data_dir: Path) -> None:
    """Give this data folder a random key of its own, once: that of the code is known to everyone."""
    try:
        descriptor = os.open(data_dir / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))


def _development_key(data_dir: Path) -> str | None:
    try:
        return (data_dir / KEY_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"NOTIFIER_DATA_DIR: {data_dir / KEY_FILE} cannot be read: {error.strerror}") from None


def _lines(error: ValidationError) -> list[str]:
    """One line for each mistake, without the value: it may be a secret."""
    lines = []
    for item in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in item["loc"]).upper()
        text = item["msg"].removeprefix("Value error, ")
        lines += [f"{name}: {text}"] if name else text.splitlines()
    return lines
