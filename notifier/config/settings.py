"""Settings: read from the environment once, checked once, one plain line for each mistake.

Names are those that people know: Flask-Mail's `MAIL_*`, Flask-Limiter's `RATELIMIT_ENABLED`,
Celery's `CELERY_BROKER_URL`. Units are seconds unless a name says otherwise. docs/settings.md has all of them.
"""

import re
import socket
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from notifier.config.rules import (
    DEVELOPMENT_SECRET,
    EXAMPLE_POSTAL_ADDRESS,
    EXAMPLE_SENDER,
    is_loopback,
    mistakes_everywhere,
    mistakes_in_production,
)
from notifier.config.text import Must, Unit, tidied
from notifier.config.types import (
    BrokerUrl,
    DatabaseUrl,
    Domain,
    FilePath,
    HostName,
    MailboxText,
    RedisUrl,
    SecretKeys,
    WebAddress,
)
from notifier.mail.mailboxes import Mailbox, parse_mailbox

Seconds = Annotated[float, Unit("seconds")]
WholeSeconds = Annotated[int, Unit("seconds")]
MAILBOX = Must("an address, or Name <address>, without quotes around it")
PerSecond = Annotated[float | None, Unit("emails a second")]


class ConfigError(SystemExit):
    """The settings do not allow a start. Its text has one line for each mistake."""


class Settings(BaseSettings):
    """Everything that the environment decides. Immutable."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, validate_default=False, allow_inf_nan=False
    )

    notifier_env: Literal["development", "test", "production"] = "development"
    notifier_data_dir: FilePath = Path("var")
    public_url: WebAddress = ""
    #: Oldest to newest: the last one signs, all of them verify.
    secret_keys: SecretKeys = [DEVELOPMENT_SECRET]
    database_url: DatabaseUrl = ""
    #: How long a new connection to Postgres may take, per address; also the wait for one of the pool.
    database_connect_timeout: WholeSeconds = Field(3, ge=2, le=60)
    #: Off behind PgBouncer in transaction mode. auto finds out by itself.
    database_prepared_statements: Literal["auto", "on", "off"] = "auto"
    #: `db upgrade` on Postgres: how long a statement waits for a table in use, and how often all of it tries again.
    migration_lock_timeout: Seconds = Field(2, ge=0.1, le=60)
    migration_lock_tries: int = Field(30, ge=1, le=1000)
    redis_url: RedisUrl = ""
    celery_broker_url: BrokerUrl = ""
    #: Start in production although a broker on another machine has no password.
    allow_open_broker: bool = False
    #: Reverse proxies in front of the web process whose X-Forwarded-* may be believed.
    trusted_proxies: int = Field(0, ge=0, le=5)
    #: The development inbox, shown as a link; `./run up` sets it.
    inbox_url: WebAddress = ""

    mail_server: HostName = "127.0.0.1"
    mail_port: int = Field(1025, ge=1, le=65535)
    mail_use_tls: bool = False
    mail_use_ssl: bool = False
    mail_username: str | None = Field(None, max_length=500)
    mail_password: str | None = Field(None, max_length=500)
    mail_default_sender: Annotated[MailboxText, MAILBOX] = EXAMPLE_SENDER
    mail_suppress_send: bool | None = None
    mail_reply_to: Annotated[MailboxText | None, MAILBOX] = None
    #: Where bounces come back (VERP); the sender's domain when unset.
    mail_bounce_domain: Annotated[Domain | None, Must("a domain such as bounces.example.com")] = None
    #: A private certificate authority for the mail server, PEM.
    mail_ca_file: FilePath | None = None
    #: More ways out, a TOML file: docs/transports.md.
    mail_transports: FilePath | None = None
    #: DKIM signatures on what leaves by MAIL_SERVER: all three or none.
    mail_dkim_domain: Annotated[str | None, Must("a domain name of 63 characters at most")] = None
    mail_dkim_selector: Annotated[str | None, Must("letters, digits, hyphens and dots, 63 at most")] = None
    mail_dkim_key_file: FilePath | None = None
    #: Staging: every email goes to this address / only these addresses and domains get email.
    mail_redirect_to: Annotated[str | None, Must("an email address")] = None
    mail_allow: Annotated[str | None, Must("addresses and domains, separated by commas")] = None
    #: Accept addresses with a local part outside ASCII (RFC 6531).
    mail_smtputf8: bool = True
    mail_timeout_connect: Seconds = Field(10, gt=0, le=3600)
    mail_timeout_command: Seconds = Field(60, gt=0, le=3600)
    mail_timeout_body: Seconds = Field(180, gt=0, le=3600)
    mail_timeout_eod: Seconds = Field(300, gt=0, le=3600)
    mail_timeout_quit: Seconds = Field(5, gt=0, le=3600)
    mail_timeout_total: Seconds = Field(420, gt=0, le=3600)
    #: How many connections one worker process may use at once for bulk mail.
    mail_connections: int = Field(10, ge=1, le=500)
    #: Emails a second over all workers: in all, and to one recipient domain. None: no limit.
    mail_rate: PerSecond = Field(None, ge=0.001, le=1_000_000)
    mail_rate_per_domain: PerSecond = Field(None, ge=0.001, le=1_000_000)
    #: The share of a campaign's emails whose content may be refused (of 50 at least) before it is paused.
    mail_content_refusals: float = Field(0.05, gt=0, le=1)
    #: A run is paused if more than this share of its emails, of so many at least, cannot be made.
    mail_content_failures: float = Field(0.05, gt=0, le=1)
    mail_content_failures_least: int = Field(20, ge=1, le=1_000_000)
    #: Seconds from a hold to its first probe, and at most from one probe to the next: each waits twice as long.
    mail_probe_first: Seconds = Field(60, gt=0, le=3600)
    mail_probe_longest: Seconds = Field(300, gt=0, le=86400)
    #: Held domains of one provider's customers, within ten minutes, that show that the provider itself refuses us.
    mail_provider_witnesses: int = Field(5, ge=1, le=1000)
    #: For how long the mail servers of a domain (MX) are remembered. 0: DNS is never asked for them.
    mail_mx_ttl: Seconds = Field(7 * 86400.0, ge=0, le=366 * 86400)
    #: Emails on their way to one recipient domain at a time, over all workers. None: no limit.
    mail_concurrency_per_domain: int | None = Field(None, ge=1, le=100_000)
    #: Emails that one user gets from campaigns in seven days, security emails aside. None: no cap.
    mail_cap_per_week: int | None = Field(None, ge=1, le=10_000)
    #: How long a claim holds that its process does not renew.
    mail_lease: Seconds = Field(30, ge=1, le=3600)
    #: After so long without a renewal a process begins no further email. None: two thirds of the lease.
    mail_fence: Annotated[float | None, Unit("seconds")] = Field(None, gt=0, le=3600)
    #: How often a process renews its claims. None: a sixth of the lease.
    mail_heartbeat: Annotated[float | None, Unit("seconds")] = Field(None, gt=0, le=3600)
    #: Deaths of processes that were making an email, after which it is made alone.
    mail_deaths: int = Field(2, ge=1, le=100)
    #: Wait for the disk before each email, so that after a crash of the host the journal is believed: docs/runbook.md.
    journal_durable: bool = False
    #: What this host is called in claims and in health. The system's own name when unset.
    notifier_host: Annotated[str, Must("64 letters, digits and . _ - at most")] = Field(
        "", pattern=r"^[A-Za-z0-9._-]{0,64}$"
    )
    #: How long a measurement of the database's clock is used, and from which difference on a warning is logged.
    database_clock_max_age: Seconds = Field(60, gt=0, le=60)
    database_clock_warn_above: Seconds = Field(5, gt=0, le=86_400)
    #: A worker that is asked to stop has ended after so long.
    stop_grace: Seconds = Field(25, gt=0, le=3600)

    #: Messages of the broker that no worker could run: so many are kept for operators, the newest.
    rejected_messages_kept: int = Field(100, ge=1, le=10_000)
    #: A larger message is rejected unread. Bytes; a batch of 1,000 keys takes 20,000 at most.
    message_max_bytes: Annotated[int, Unit("bytes")] = Field(1024 * 1024, ge=64 * 1024, le=512 * 1024 * 1024)

    #: People who want a digest as soon as something happens: within so long, and one email in so long.
    digest_within: Seconds = Field(300, ge=120, le=3600)
    digest_gap: Seconds = Field(3600, ge=60, le=86_400)
    #: How long after the end of a month its reports wait for activities of its last moments.
    report_grace: Seconds = Field(3600, ge=0, le=86_400)
    ratelimit_enabled: bool = True
    #: Emails that sign-ups and resends may cause: to one mailbox in a day, all its tags together; first emails in an
    #: hour to one domain of no known provider for one network.
    signup_emails_per_day: int = Field(5, ge=1, le=1_000_000)
    signup_emails_per_hour: int = Field(20, ge=1, le=1_000_000)
    #: More than this share of the last so many first emails bounced hard: they go out so slowly.
    first_email_bounces: float = Field(0.2, gt=0, lt=1)
    first_email_window: int = Field(100, ge=10, le=10_000)
    first_emails_per_minute: float = Field(10, ge=0.01, le=1_000_000)
    #: The public forms are answered at multiples of it, so that the time says nothing; 0: as soon as possible.
    form_answer_step: Seconds = Field(0.1, ge=0, le=2)
    #: Days without email for an address whose owner says that they did not sign up.
    not_me_days: Annotated[int, Unit("days")] = Field(30, ge=1, le=3650)
    #: How often the sweep runs, and how long a new row may wait before the sweep rings for it.
    sweep_interval: Seconds = Field(5, ge=0.1, le=3600)
    sweep_grace: Seconds = Field(5, gt=0, le=86_400)
    postal_address: str = Field(EXAMPLE_POSTAL_ADDRESS, max_length=500)

    @model_validator(mode="before")
    @classmethod
    def _tidy(cls, values: Any) -> Any:
        return tidied(values) if isinstance(values, dict) else values

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
        """Return what every link in an email starts with; never taken from a request."""
        return self.public_url or "http://127.0.0.1:8000"

    @property
    def allows_local_addresses(self) -> bool:
        """Whether people may sign up as `ada@app.test` or `root@localhost`: in development, if no email leaves here."""
        return self.notifier_env == "development" and is_loopback(self.mail_server)

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
