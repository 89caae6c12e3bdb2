"""Settings of `notifier bounces listen`: where it listens, who may connect, for which addresses, and its bounds.

Each description is the last column of a table in docs/settings.md, which a test makes from this class.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from notifier.config.text import Unit, Unset
from notifier.config.types import AsciiAddresses, ListenHost, Networks, Seconds


class ListenerSettings(BaseModel):
    """The listener for emails that come back."""

    bounce_listen_host: ListenHost = Field(
        "127.0.0.1",
        description="the address on which `notifier bounces listen` listens",
    )
    bounce_listen_port: int = Field(
        2401,
        ge=1,
        le=65535,
        description="its port",
    )
    bounce_listen_protocol: Literal["lmtp", "smtp"] = Field(
        "lmtp",
        description="what it speaks: LMTP (RFC 2033) answers for each recipient, SMTP once for all",
    )
    bounce_listen_networks: Annotated[Networks, Unset("`127.0.0.0/8` and `::1`")] = Field(
        [],
        description="which clients may connect; all others are cut off before a greeting",
    )
    bounce_listen_addresses: Annotated[
        AsciiAddresses,
        Unset("`MAIL_CFBL_ADDRESS`, and `MAIL_BOUNCE_ADDRESS` if it ends in neither `+` nor `-`"),
    ] = Field(
        [],
        description="further addresses that are accepted without an id of ours, such as that of a feedback loop",
    )
    bounce_listen_max_size: Annotated[int, Unit("bytes")] = Field(
        10 * 1024 * 1024,
        ge=64 * 1024,
        le=100 * 1024 * 1024,
        description="the largest email that is accepted (SIZE, RFC 1870)",
    )
    bounce_listen_connections: int = Field(
        50,
        ge=1,
        le=500,
        description="how many connections there may be at a time",
    )
    bounce_listen_connections_per_client: int = Field(
        20,
        ge=1,
        le=500,
        description="how many of them may be of one client",
    )
    bounce_listen_session: Seconds = Field(
        300,
        ge=5,
        le=3600,
        description="how long a connection may last",
    )
