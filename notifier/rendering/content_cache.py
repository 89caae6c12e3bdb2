"""Cache checked versions of edited content. Versions never change, so entries never become stale."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.content import Checked, Content, ContentError
from notifier.emails import EmailKind
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import offered
from notifier.ledger import Claimed
from notifier.models import ContentVersion

#: Versions that are kept; few campaigns send at the same time.
MAX_VERSIONS = 200


class ContentCache:
    """A cache of content versions. One instance serves all threads of a process."""

    def __init__(self, kinds: Mapping[str, EmailKind]) -> None:
        """Check content against the names that these `kinds` offer."""
        self._kinds = kinds
        self._content: dict[int, Content] = {}
        self._checked: dict[tuple[int, str], Checked] = {}

    def fetch(self, session: Session, rows: Iterable[Claimed]) -> None:
        """Load the content of these rows in one statement; in none if all of it is cached."""
        wanted = {row.content_id for row in rows} - {None}
        missing = wanted - self._content.keys()
        if not missing:
            return
        if len(self._content) + len(missing) > MAX_VERSIONS:
            # Replace the dictionaries instead of clearing them, because another thread may be reading.
            self._content = {pk: content for pk, content in self._content.items() if pk in wanted}
            self._checked = {}
        columns = (ContentVersion.subject, ContentVersion.heading, ContentVersion.body, ContentVersion.language)
        query = select(ContentVersion.id, *columns)
        for pk, *texts in session.execute(query.where(ContentVersion.id.in_(missing))):
            self._content[pk] = Content(*texts)

    def of(self, row: Claimed) -> Checked | None:
        """Return the content of a row that was fetched before; None if it uses the template files of its kind.

        Raise ContentError if this version of the program does not offer the names that it uses.
        """
        if row.content_id is None:
            return None
        key = (row.content_id, row.kind)
        found = self._checked.get(key)
        if found is None:
            kind, content = self._kinds[row.kind], self._content.get(row.content_id)
            if content is None or not isinstance(kind, CampaignKind):
                raise ContentError(f"The content version {row.content_id} no longer exists.")
            # Check again: stored content is trusted no more than typed content.
            found = self._checked[key] = Checked(content, offered(kind), has_data=kind.has_data)
        return found
