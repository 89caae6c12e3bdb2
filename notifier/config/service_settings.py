"""Settings of the service itself, its database and its broker.

Each description is the last column of a table in docs/settings.md, which a test makes from these classes.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from notifier.config.cross_checks import DEVELOPMENT_SECRET, EXAMPLE_POSTAL_ADDRESS
from notifier.config.text import Must, Unit, Unset
from notifier.config.types import (
    BrokerUrl,
    DatabaseUrl,
    DisplayName,
    FilePath,
    HostNames,
    RedisUrl,
    Seconds,
    SecretKeys,
    WebAddress,
    WholeSeconds,
)


class ServiceSettings(BaseModel):
    """The service itself: addresses, keys, folders."""

    notifier_env: Literal["development", "test", "production"] = Field(
        "development",
        description="selects the checks at start-up: [production](#production) refuses settings that only suit a trial",
    )
    notifier_data_dir: FilePath = Field(
        Path("var"),
        description="folder of the database and broker of `./run up`, of logs, and of the workers' journals",
    )
    public_url: Annotated[WebAddress, Unset("http://127.0.0.1:8000")] = Field(
        "",
        description="base URL of all links in emails; the web process answers its host and `TRUSTED_HOSTS`; https in "
        "production. With a path, all pages are published [below it](proxy.md#below-a-path)",
    )
    product_name: Annotated[DisplayName, Unset("the name in `MAIL_DEFAULT_SENDER`")] = Field(
        "",
        description="name of your application in the text of emails and on public pages",
    )
    home_url: Annotated[WebAddress, Unset("`PUBLIC_URL`")] = Field(
        "",
        description="your application's front page: emails and pages lead there. Inside another application, "
        "`PUBLIC_URL` without the mount is the default",
    )
    secret_keys: Annotated[SecretKeys, Unset("a random key in the data folder")] = Field(
        [DEVELOPMENT_SECRET],
        description="keys that sign links and sessions: the last one signs, all of them verify. To replace a key, add "
        "the new one last and keep the old one as long as its links should work",
    )
    trusted_proxies: int = Field(
        0,
        ge=0,
        le=5,
        description="number of reverse proxies in front whose X-Forwarded-For and -Proto headers are trusted: "
        "[proxy](proxy.md)",
    )
    trusted_hosts: HostNames = Field(
        [],
        description="further host names that the web process answers, besides that of `PUBLIC_URL`; links in emails "
        "always lead to `PUBLIC_URL`",
    )
    webhook_loopback: bool = Field(
        False,
        description="lets the [endpoints of webhooks](webhooks.md) be on this machine, also by http: for development",
    )
    status_check_interval: Seconds = Field(
        3,
        ge=0,
        le=60,
        description="while pages of the admin are open, the web process checks everything that sending needs this "
        "often, and each page shows what is wrong; 0: no such checks, and no banner",
    )
    runbook_url: WebAddress = Field(
        "",
        description="address of your copy of [the runbook](runbook.md), for links in the admin, `notifier status` and "
        "alerts; a heading is added after `#`",
    )
    inbox_url: WebAddress = Field(
        "",
        description="address of a development inbox, shown as a link on the pages; `./run up` sets it",
    )
    notifier_host: Annotated[str, Must("64 letters, digits and . _ - at most"), Unset("the system's host name")] = (
        Field(
            "",
            pattern=r"^[A-Za-z0-9._-]{0,64}$",
            description="name of this host in claims, and in the output of `health` and `unknown`",
        )
    )
    postal_address: str = Field(
        EXAMPLE_POSTAL_ADDRESS,
        max_length=500,
        description="sender's postal address in the footer of subscription emails; production refuses the example",
    )
    metrics_token: Annotated[str, Must("16 letters, digits and . _ ~ - at least")] = Field(
        "",
        pattern=r"^([A-Za-z0-9._~-]{16,200})?$",
        repr=False,
        description="what Prometheus sends as `Authorization: Bearer` to read [`/metrics`](metrics.md); without it, "
        "production answers 404 there",
    )
    ratelimit_enabled: bool = Field(
        True,
        description="limits of the public forms and of sign-up emails; can't be turned off in production",
    )


class DatabaseSettings(BaseModel):
    """The database, and how it is upgraded."""

    database_url: Annotated[DatabaseUrl, Unset("SQLite in the data folder")] = Field(
        "",
        description="the database; required in production. Options after `?` are those of libpq; an existing SQLite "
        "file must be a database or empty",
    )
    database_connect_timeout: WholeSeconds = Field(
        3,
        ge=2,
        le=60,
        description="Postgres: longest time to connect, per IP address, and to wait for a connection from the pool; "
        "overrides `connect_timeout` in the URL",
    )
    database_prepared_statements: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Postgres: `off` behind PgBouncer in transaction mode; `auto` detects a pooler",
    )
    migration_lock_timeout: Seconds = Field(
        2,
        ge=0.1,
        le=60,
        description="Postgres: how long a statement of `db upgrade` waits for a table in use before it gives way",
    )
    migration_lock_tries: int = Field(
        30,
        ge=1,
        le=1000,
        description="Postgres: number of tries before `db upgrade` gives up",
    )
    database_clock_max_age: Seconds = Field(
        60,
        gt=0,
        le=60,
        description="how long a measurement of the database's clock is used",
    )
    database_clock_warn_above: Seconds = Field(
        5,
        gt=0,
        le=86_400,
        description="a warning is logged if the clocks of this host and the database differ by more than this",
    )


class BrokerSettings(BaseModel):
    """The broker, and the messages that it carries."""

    redis_url: Annotated[RedisUrl, Unset("the broker of `./run up`")] = Field(
        "",
        description="the broker, and the store of rate limits. [Options](#options-of-a-broker) may follow `?`",
    )
    celery_broker_url: Annotated[BrokerUrl, Unset("`REDIS_URL`")] = Field(
        "",
        description="another broker: Redis, or [RabbitMQ](runbook.md#rabbitmq-as-the-broker); rate limits still need "
        "`REDIS_URL`. [Options](#options-of-a-broker) may follow `?`",
    )
    allow_open_broker: bool = Field(
        False,
        description="allow a broker on another machine without a password in production",
    )
    rejected_messages_kept: int = Field(
        100,
        ge=1,
        le=10_000,
        description="number of broker messages that no worker could run that are kept for operators, newest first "
        "([runbook](runbook.md#messages-were-rejected))",
    )
    task_results_kept: Annotated[int, Unit("days")] = Field(
        7,
        ge=1,
        le=3650,
        description="how long the results of control tasks are kept: the page Tasks, and "
        "[`AsyncResult`](celery.md#results)",
    )
    message_max_bytes: Annotated[int, Unit("bytes")] = Field(
        1024 * 1024,
        ge=64 * 1024,
        le=512 * 1024 * 1024,
        description="larger broker messages are rejected unread",
    )
