"""Settings: read from the environment once, checked once, one plain line for each mistake.

Names are those that people know: Flask-Mail's `MAIL_*`, Flask-Limiter's `RATELIMIT_ENABLED`,
Celery's `CELERY_BROKER_URL`. Units are seconds unless a name says otherwise. The fields are in `service_settings`,
`mail_server_settings`, `inbound_settings`, `listener_settings`, `alert_settings` and `limit_settings`;
docs/settings.md lists them all.
"""

import re
import socket
from typing import Any, ClassVar, Self

from pydantic import model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from notifier.config.alert_settings import AlertSettings
from notifier.config.cross_checks import is_loopback, mistakes_everywhere, mistakes_in_production
from notifier.config.inbound_settings import InboundSettings
from notifier.config.limit_settings import LimitSettings, TimingSettings
from notifier.config.listener_settings import ListenerSettings
from notifier.config.mail_server_settings import MailServerSettings, StagingSettings
from notifier.config.secret_files import FileSource
from notifier.config.service_settings import BrokerSettings, DatabaseSettings, ServiceSettings
from notifier.config.text import tidied
from notifier.mail.mailboxes import Mailbox, parse_mailbox


class ConfigError(SystemExit):
    """Start-up must stop: the text has one line for each mistake in the settings."""


# Pydantic collects fields from the last base to the first, and mistakes are printed in the order of the fields.
class Settings(
    TimingSettings,
    LimitSettings,
    AlertSettings,
    ListenerSettings,
    InboundSettings,
    StagingSettings,
    MailServerSettings,
    BrokerSettings,
    DatabaseSettings,
    ServiceSettings,
    BaseSettings,
):
    """All settings, immutable. Each comes from the environment variable of its name in upper case, or from its file."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, validate_default=False, allow_inf_nan=False
    )

    #: Whether this process starts a Redis for all others if no broker is named, so that it needs no REDIS_URL.
    starts_redis: ClassVar[bool] = False

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        *others: Any,
        **more: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment, then the files that it names, then the env file of a running `up`."""
        return (init_settings, env_settings, FileSource(settings_cls), more["dotenv_settings"])

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
        """Return the name of this host: `NOTIFIER_HOST`, or the system's host name."""
        return self.notifier_host or re.sub(r"[^A-Za-z0-9._-]", "_", socket.gethostname()) or "host"

    @property
    def fence(self) -> float:
        """Return the seconds without a renewal after which a worker begins no further email."""
        return self.mail_lease * 2 / 3 if self.mail_fence is None else self.mail_fence

    @property
    def heartbeat(self) -> float:
        """Return the seconds between two renewals of a claim."""
        return self.mail_lease / 6 if self.mail_heartbeat is None else self.mail_heartbeat

    @property
    def broker_url(self) -> str:
        """Return the URL that Celery connects to: `CELERY_BROKER_URL`, or `REDIS_URL`."""
        return self.celery_broker_url or self.redis_url

    @property
    def sqlalchemy_url(self) -> str:
        """Return `DATABASE_URL` with the driver that we ship, or the URL of SQLite in the data folder."""
        # SQLAlchemy 2.1 decodes the name of a file, 2.0 does not: each writes it as it reads it.
        path = str((self.notifier_data_dir / "notifier.db").resolve())
        url = self.database_url or URL.create("sqlite", database=path).render_as_string()
        for scheme in ("postgres://", "postgresql://"):
            if url.startswith(scheme):
                return "postgresql+psycopg://" + url.removeprefix(scheme)
        return url

    @property
    def link_base(self) -> str:
        """Return the base URL of every link in an email; it is never taken from a request."""
        return self.public_url or "http://127.0.0.1:8000"

    @property
    def allows_local_addresses(self) -> bool:
        """Return True if people may sign up as `ada@app.test`: in development, if no email leaves this machine."""
        return self.notifier_env == "development" and is_loopback(self.mail_server)

    @property
    def sender_domain(self) -> str:
        """Return the domain of the From address, which Message-IDs use."""
        return self.sender.address.rpartition("@")[2]

    @property
    def bounce_address(self) -> str:
        """Return where bounces go, in the form of `MAIL_BOUNCE_ADDRESS`."""
        return self.mail_bounce_address or f"b+@{self.sender_domain}"

    @property
    def sender(self) -> Mailbox:
        """Return the From of every email."""
        return parse_mailbox(self.mail_default_sender, allow_local=True)

    @property
    def product(self) -> str:
        """Return the name of the application, as people know it."""
        return self.product_name or self.sender.name or "Notifier"

    @property
    def reply_to(self) -> Mailbox | None:
        """Return the Reply-To of every email, if there is one."""
        return parse_mailbox(self.mail_reply_to, allow_local=True) if self.mail_reply_to else None


class UpSettings(Settings):
    """The settings as `notifier up` reads them."""

    starts_redis: ClassVar[bool] = True
