"""TransportState and PaceState: what the sending processes tell each other about mail servers."""

from datetime import datetime

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.models.types import UtcDateTime


class TransportState(Base):
    """One row for each transport that was ever held; none means that nothing was ever wrong."""

    __tablename__ = "notifier_transports"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    #: Nothing is sent through it since then, but for probes. None: it works.
    held_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Why: the reply that opened the hold (or kept it open), without addresses.
    phase: Mapped[str | None] = mapped_column(String(16))
    code: Mapped[int | None] = mapped_column(Integer)
    text: Mapped[str | None] = mapped_column(String(500))
    #: Who moves this moment on gets the probe.
    next_probe_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: Probes handed out in this hold.
    probes: Mapped[int] = mapped_column(Integer, default=0)
    #: When somebody was told of this hold.
    alerted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    #: The last mail accepted before the hold, as far as the process knew that opened it; then that of the probe.
    last_accepted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class PaceState(Base):
    """One row for each transport, provider or recipient domain that asked us to slow down; it goes when all is well."""

    __tablename__ = "notifier_paces"

    #: transport:smtp, provider:smtp:gmail or domain:example.com
    key: Mapped[str] = mapped_column(String(400), primary_key=True)
    #: Nothing is sent there before. In the past: when the level was last lowered, or the pause ended.
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    #: How often in a row it asked, 1 or more: the next pause takes 2**level seconds.
    level: Mapped[int] = mapped_column(Integer)
