"""ProviderHold: a provider that refuses us. DomainProvider: the provider of a domain."""

from datetime import datetime

from sqlalchemy import Boolean, Integer, String, false
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class ProviderHold(Base):
    """One row while a provider refuses us through a transport; it is deleted when a probe gets through."""

    __tablename__ = "notifier_provider_holds"

    #: transport:scope, see `providers.key`. Waiting rows refer to it.
    key: Mapped[str] = mapped_column(String(320), primary_key=True)
    transport: Mapped[str] = mapped_column(String(64))
    #: The name of a known provider, or the domain if it has none.
    scope: Mapped[str] = mapped_column(String(255))
    held_since: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The reply that opened the hold (or kept it open), without addresses.
    phase: Mapped[str] = mapped_column(String(16))
    code: Mapped[int | None] = mapped_column(Integer)
    enhanced: Mapped[str | None] = mapped_column(String(16))
    text: Mapped[str] = mapped_column(String(500))
    #: The process that moves this moment forward sends the next probe.
    next_probe_at: Mapped[datetime] = mapped_column(UtcDateTime)
    #: The number of probes in this hold.
    probes: Mapped[int] = mapped_column(Integer, default=0)
    #: Whether it holds campaigns alone: bounces reported the refusals, and no reply that we got ourselves.
    bulk_only: Mapped[bool] = mapped_column(Boolean, default=False, server_default=false())


class DomainProvider(Base):
    """The provider that runs the mail servers (MX) of a domain, according to DNS."""

    __tablename__ = "notifier_domain_providers"

    domain: Mapped[str] = mapped_column(String(255), primary_key=True)
    #: None if it is no known provider.
    provider: Mapped[str | None] = mapped_column(String(16))
    looked_up_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
