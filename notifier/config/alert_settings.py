"""Settings of `notifier alerts`: whom to tell, and when.

Each description is the last column of a table in docs/settings.md, which a test makes from this class.
"""

from pydantic import BaseModel, Field

from notifier.config.types import AsciiAddresses, Seconds, WebAddress


class AlertSettings(BaseModel):
    """Alerts without a monitoring system."""

    alert_emails: AsciiAddresses = Field(
        [],
        description="operators whom `notifier alerts watch` tells by email when something is wrong, and when it is "
        "well again ([runbook](runbook.md#alerts-without-prometheus))",
    )
    alert_webhook_url: WebAddress = Field(
        "",
        description="address to which the same is posted as JSON, also while no mail server takes email; https, and "
        "not in your own network",
    )
    alert_after: Seconds = Field(
        180,
        ge=0,
        le=86_400,
        description="how long something must be wrong before operators are told",
    )
    alert_clear_after: Seconds = Field(
        60,
        ge=0,
        le=86_400,
        description="how long it must be well again before they are told so; a shorter pause is still the same "
        "incident",
    )
    alert_interval: Seconds = Field(
        15,
        ge=1,
        le=3600,
        description="how often `notifier alerts watch` checks",
    )
