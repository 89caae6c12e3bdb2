"""ContentVersion: one version of the content of a campaign. Rows are added, never changed."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Integer, String, Text, UniqueConstraint, event
from sqlalchemy.orm import Mapped, Mapper, mapped_column

from notifier import clock
from notifier.database.base import Base
from notifier.database.types import NEVER_AGAIN, BigId, UtcDateTime
from notifier.models.append_only import refuse_updates


class ContentVersion(Base):
    """Subject, heading and body as an operator wrote them.

    The database refuses updates (the migration), because emails that are already planned refer to their version.
    """

    __tablename__ = "notifier_content_versions"
    __table_args__ = (UniqueConstraint("campaign_id", "number"), NEVER_AGAIN)

    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    campaign_id: Mapped[int] = mapped_column(BigId, ForeignKey("notifier_campaigns.id", ondelete="CASCADE"))
    #: The version within the campaign, from 1.
    number: Mapped[int] = mapped_column(Integer)
    subject: Mapped[str] = mapped_column(Text)
    heading: Mapped[str] = mapped_column(Text)
    body: Mapped[str] = mapped_column(Text)
    #: BCP 47. If empty, it is derived from the script of the text (`notifier.content.language`).
    language: Mapped[str] = mapped_column(String(35), default="", server_default="")
    #: The edition of the campaign that it was written for.
    edition: Mapped[int] = mapped_column(Integer, default=1, server_default="1")
    #: The operator. Not a foreign key, because the version outlives them.
    author_id: Mapped[int | None] = mapped_column(BigInteger)
    #: The author's name in the audit log: "operator 3", "command line", or the id that an embedding application gave.
    author: Mapped[str] = mapped_column(String(64), default="", server_default="")
    #: What changed and why, for colleagues.
    note: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=clock.now)


_ONLY_ADDED = "versions of content are only ever added"


def _refuse(_mapper: Mapper[ContentVersion], _connection: object, _row: ContentVersion) -> None:
    raise TypeError(_ONLY_ADDED)


event.listen(ContentVersion, "before_update", _refuse)
refuse_updates(ContentVersion.__table__, _ONLY_ADDED)
