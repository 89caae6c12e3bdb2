"""Totals of one hour, so that charts and tables need not read the ledger."""

import datetime as dt

from sqlalchemy import Date, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base
from notifier.database.types import UtcDateTime


class DailyTotal(Base):
    """Emails by status, day and hour (UTC). If emails settle late, their hour is counted again."""

    __tablename__ = "notifier_daily_totals"

    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    #: 0 to 23
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    #: As in Notification; an email that bounces counts as sent in one hour and as bounced in another.
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    emails: Mapped[int] = mapped_column(Integer)


class ProviderTotal(Base):
    """Emails of one hour (UTC) by the mailbox provider of their recipients, and what came back. Counted as DailyTotal.

    What came back counts in the hour in which it came.
    """

    __tablename__ = "notifier_provider_totals"

    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    #: 0 to 23
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    #: A name in `mail.providers.PROVIDERS`, or `other`.
    provider: Mapped[str] = mapped_column(String(16), primary_key=True)
    #: Accepted by the first server.
    sent: Mapped[int] = mapped_column(Integer)
    #: Refused in our own dialogue.
    failed: Mapped[int] = mapped_column(Integer)
    #: Reported as delivered by an email provider.
    delivered: Mapped[int] = mapped_column(Integer)
    #: Addresses that do not exist, by a bounce or by our own dialogue.
    hard: Mapped[int] = mapped_column(Integer)
    #: Other bounces.
    soft: Mapped[int] = mapped_column(Integer)
    #: Refusals about the sender or the content, by a bounce or by our own dialogue.
    refused: Mapped[int] = mapped_column(Integer)
    complained: Mapped[int] = mapped_column(Integer)
    #: When the hour was last counted.
    counted_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
