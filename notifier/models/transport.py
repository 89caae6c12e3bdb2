"""TransportState and Pace: the state of mail servers that the sending processes share."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class TransportState(Base):
    """One row per transport that was ever held; a transport without one never had a problem."""

    __tablename__ = "notifier_transports"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Since then only probes are sent through it. None if it works.
    held_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The reply that opened the hold (or kept it open), without addresses.
    phase: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[int | None] = mapped_column(Integer)
    text: Mapped[str | None] = mapped_column(String(500))
    #: The process that moves this moment forward sends the next probe.
    next_probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The number of probes in this hold.
    probes: Mapped[int] = mapped_column(Integer, default=0)
    #: When an alert about this hold was sent.
    alerted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The last email accepted before the hold, as known to the process that opened it; later, that of the probe.
    last_accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PaceState(Base):
    """One row per transport, provider or recipient domain that asked us to slow down; deleted on recovery."""

    __tablename__ = "notifier_paces"

    #: transport:smtp, provider:smtp:gmail or domain:example.com
    key: Mapped[str] = mapped_column(String(400), primary_key=True)
    #: Nothing is sent there before this moment. If it is past: when the level was last lowered, or the pause ended.
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    #: How often in a row it asked, at least 1: the next pause takes 2**level seconds.
    level: Mapped[int] = mapped_column(Integer)
