"""Versions of edited words that mails name, checked and at hand. Versions never change, so nothing here gets old."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.content import Checked, Content, ContentError
from notifier.emails import EmailKind
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import offered
from notifier.ledger import Claimed
from notifier.models import ContentVersion

#: Versions that are kept; campaigns that send at the same time are few.
ROOM = 200


class ContentCache:
    """One instance serves all threads of a process."""

    def __init__(self, kinds: Mapping[str, EmailKind]) -> None:
        """`kinds`: what the names in the words may be."""
        self._kinds = kinds
        self._content: dict[int, Content] = {}
        self._checked: dict[tuple[int, str], Checked] = {}

    def fetch(self, session: Session, rows: Iterable[Claimed]) -> None:
        """Have the words of these rows at hand: one statement, and none where they are."""
        wanted = {row.content_id for row in rows} - {None}
        missing = wanted - self._content.keys()
        if not missing:
            return
        if len(self._content) + len(missing) > ROOM:
            # New ones instead of emptied ones: another thread may be reading.
            self._content = {pk: content for pk, content in self._content.items() if pk in wanted}
            self._checked = {}
        columns = (ContentVersion.subject, ContentVersion.heading, ContentVersion.body, ContentVersion.language)
        query = select(ContentVersion.id, *columns)
        for pk, *texts in session.execute(query.where(ContentVersion.id.in_(missing))):
            self._content[pk] = Content(*texts)

    def of(self, row: Claimed) -> Checked | None:
        """The words of a row; None where its kind's files say it. They were fetched before.

        Raises ContentError where this version of the program does not offer what they name.
        """
        if row.content_id is None:
            return None
        key = (row.content_id, row.kind)
        found = self._checked.get(key)
        if found is None:
            kind, content = self._kinds[row.kind], self._content.get(row.content_id)
            if content is None or not isinstance(kind, CampaignKind):
                raise ContentError(f"The words with the key {row.content_id} are gone.")
            # Held against the list again: what was stored is believed no more than what was typed.
            found = self._checked[key] = Checked(content, offered(kind), has_data=kind.has_data)
        return found
