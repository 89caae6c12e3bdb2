"""Settings of rates, limits and times.

Each description is the last column of a table in docs/settings.md, which a test makes from these classes.
"""

from typing import Annotated

from pydantic import BaseModel, Field

from notifier.config.text import Unit, Unset
from notifier.config.types import PerSecond, Seconds


class LimitSettings(BaseModel):
    """How much is sent in which time, and when sending is slowed or paused."""

    mail_rate: Annotated[PerSecond, Unset("no limit")] = Field(
        None,
        ge=0.001,
        le=1_000_000,
        description="rate of emails over all workers; needs `REDIS_URL`. Campaigns that send at the same time share it "
        "equally; emails that a person waits for go first",
    )
    mail_rate_per_domain: Annotated[PerSecond, Unset("no limit")] = Field(
        None,
        ge=0.001,
        le=1_000_000,
        description="rate of emails to one recipient domain, over all workers; needs `REDIS_URL`",
    )
    mail_concurrency_per_domain: Annotated[int | None, Unset("no limit")] = Field(
        None,
        ge=1,
        le=100_000,
        description="emails being sent to one recipient domain at a time, over all workers; needs `REDIS_URL`",
    )
    mail_cap_per_week: Annotated[int | None, Unset("no cap")] = Field(
        None,
        ge=1,
        le=10_000,
        description="most emails that one user gets from campaigns in seven days",
    )
    api_requests_per_minute: int = Field(
        60_000,
        ge=1,
        le=10_000_000,
        description="most requests of one API key to `/v1` in a minute; a batch is one. With `REDIS_URL` all processes "
        "count together",
    )
    mail_content_refusals: float = Field(
        0.05,
        gt=0,
        le=1,
        description="a campaign is paused when more than this share of its emails (at least 50) is rejected for its "
        "content",
    )
    mail_run_dead: float = Field(
        0.02,
        gt=0,
        le=1,
        description="a run is paused when more than this share of its emails went to addresses that do not exist: "
        "[runbook](runbook.md#a-run-is-paused-because-of-bounces-or-complaints)",
    )
    mail_run_dead_least: int = Field(
        200,
        ge=1,
        le=1_000_000,
        description="emails of a run before that share means anything",
    )
    mail_run_complaints: float = Field(
        0.001,
        gt=0,
        le=1,
        description="a run's emails to one mailbox provider are paused when more than this share of them was reported "
        "as spam",
    )
    mail_run_complaints_least: int = Field(
        1000,
        ge=1,
        le=1_000_000,
        description="emails of a run to one mailbox provider before that share means anything",
    )
    mail_content_failures: float = Field(
        0.05,
        gt=0,
        le=1,
        description="a run is paused when more than this share of its emails cannot be rendered",
    )
    mail_content_failures_least: int = Field(
        20,
        ge=1,
        le=1_000_000,
        description="smallest number of emails at which that share counts",
    )
    signup_emails_per_day: int = Field(
        5,
        ge=1,
        le=1_000_000,
        description="most emails that sign-ups send to one mailbox in a day, all tags of its address together",
    )
    signup_emails_per_hour: int = Field(
        20,
        ge=1,
        le=1_000_000,
        description="most first emails in an hour to one domain of no known provider, for sign-ups from one network",
    )
    first_email_bounces: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="first emails are slowed when more than this share of the last ones bounced hard",
    )
    first_email_window: int = Field(
        100,
        ge=10,
        le=10_000,
        description="number of newest first emails in which that share is measured",
    )
    first_emails_per_minute: float = Field(
        10,
        ge=0.01,
        le=1_000_000,
        description="first emails sent in a minute while they are slowed: [runbook](runbook.md#sign-ups-are-flooded)",
    )
    form_answer_step: Seconds = Field(
        0.1,
        ge=0,
        le=2,
        description="sign-up forms are answered at multiples of this time, so that it doesn't reveal whether an "
        "address is known; 0: at once",
    )
    not_me_days: Annotated[int, Unit("days")] = Field(
        30,
        ge=1,
        le=3650,
        description='how long an address gets no email after its owner pressed "This wasn\'t me"',
    )


class TimingSettings(BaseModel):
    """Leases, jobs and grace periods."""

    mail_lease: Seconds = Field(
        30,
        ge=1,
        le=3600,
        description="how long a worker holds an email without renewing its claim",
    )
    mail_fence: Annotated[float | None, Unit("seconds"), Unset("two thirds of the lease")] = Field(
        None,
        gt=0,
        le=3600,
        description="time without a renewal after which a worker begins no further email",
    )
    mail_heartbeat: Annotated[float | None, Unit("seconds"), Unset("a sixth of the lease")] = Field(
        None,
        gt=0,
        le=3600,
        description="how often a worker renews its claims",
    )
    mail_deaths: int = Field(
        2,
        ge=1,
        le=100,
        description="after this many processes crashed while making an email, it is made alone; the next crash "
        "makes it fail",
    )
    journal_durable: bool = Field(
        False,
        description="wait for the disk before each email, so that the journal is trusted after a crash of the host: "
        "[cost](runbook.md#a-host-was-lost)",
    )
    stop_grace: Seconds = Field(
        25,
        gt=0,
        le=3600,
        description="how long a stopping worker may take; set the limits of systemd or Docker a little higher",
    )
    sweep_interval: Seconds = Field(
        5,
        ge=0.1,
        le=3600,
        description="how often the sweep runs",
    )
    sweep_grace: Seconds = Field(
        5,
        gt=0,
        le=86_400,
        description="how old a new email must be before the sweep enqueues it",
    )
    digest_within: Seconds = Field(
        300,
        ge=120,
        le=3600,
        description='digests "as soon as something happens": longest wait',
    )
    digest_gap: Seconds = Field(
        3600,
        ge=60,
        le=86_400,
        description='digests "as soon as something happens": shortest time between two emails to one person',
    )
    report_grace: Seconds = Field(
        3600,
        ge=0,
        le=86_400,
        description="how long reports wait for the last activities after the end of a month",
    )
