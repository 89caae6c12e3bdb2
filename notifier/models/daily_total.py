"""DailyTotal: emails that were settled in one hour, so that charts need not read the ledger."""

import datetime as dt

from sqlalchemy import Date, Integer, SmallInteger, String
from sqlalchemy.orm import Mapped, mapped_column

from notifier.database.base import Base


class DailyTotal(Base):
    """Emails by status, day and hour (UTC). If emails settle late, their hour is counted again."""

    __tablename__ = "notifier_daily_totals"

    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    #: 0 to 23
    hour: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    #: As in Notification; an email that bounces counts as sent in one hour and as bounced in another.
    status: Mapped[str] = mapped_column(String(16), primary_key=True)
    emails: Mapped[int] = mapped_column(Integer)
