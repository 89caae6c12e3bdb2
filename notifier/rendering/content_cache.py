"""Versions of edited words that mails name, checked and at hand. Versions never change, so nothing here gets old."""

from collections.abc import Iterable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.content import Checked, Words, WordsError
from notifier.emails import EmailKind
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.wording import offered
from notifier.ledger import Claimed
from notifier.models import CampaignWords

#: Versions that are kept; campaigns that send at the same time are few.
ROOM = 200


class Shelf:
    """One instance serves all threads of a process."""

    def __init__(self, kinds: Mapping[str, EmailKind]) -> None:
        """`kinds`: what the names in the words may be."""
        self._kinds = kinds
        self._words: dict[int, Words] = {}
        self._checked: dict[tuple[int, str], Checked] = {}

    def fetch(self, session: Session, rows: Iterable[Claimed]) -> None:
        """Have the words of these rows at hand: one statement, and none where they are."""
        wanted = {row.words_id for row in rows} - {None}
        missing = wanted - self._words.keys()
        if not missing:
            return
        if len(self._words) + len(missing) > ROOM:
            # New ones instead of emptied ones: another thread may be reading.
            self._words = {pk: words for pk, words in self._words.items() if pk in wanted}
            self._checked = {}
        columns = (CampaignWords.subject, CampaignWords.heading, CampaignWords.body, CampaignWords.language)
        query = select(CampaignWords.id, *columns)
        for pk, *texts in session.execute(query.where(CampaignWords.id.in_(missing))):
            self._words[pk] = Words(*texts)

    def of(self, row: Claimed) -> Checked | None:
        """The words of a row; None where its kind's files say it. They were fetched before.

        Raises WordsError where this version of the program does not offer what they name.
        """
        if row.words_id is None:
            return None
        key = (row.words_id, row.kind)
        found = self._checked.get(key)
        if found is None:
            kind, words = self._kinds[row.kind], self._words.get(row.words_id)
            if words is None or not isinstance(kind, CampaignKind):
                raise WordsError(f"The words with the key {row.words_id} are gone.")
            # Held against the list again: what was stored is believed no more than what was typed.
            found = self._checked[key] = Checked(words, offered(kind), content=kind.content)
        return found
