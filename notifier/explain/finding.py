"""Find people and emails by what a person who asks for help has: a name, an address, or an id of an email.

Ids are found by indexes. Parts of names and addresses are looked for in all rows of people, which both databases do
without an index on text: about 50 ms for 100,000 people (`python -m bench.admin`).
"""

import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from notifier.consent import suppressions
from notifier.mail.addresses import AddressError, parse_address
from notifier.mail.message_ids import MAX_KEY, Ids, read
from notifier.mail.return_path import read_return_path
from notifier.models import AuditEntry, Notification, Suppression, User
from notifier.operators import audit_log

#: People, and emails, that one search returns.
MOST: Final = 20
#: Characters that a search for a part of a name or an address needs.
LEAST_CHARACTERS: Final = 2
#: Words of a name that are looked for; further ones are ignored.
MOST_WORDS: Final = 5

#: Names of headers that people copy together with their value.
_HEADERS: Final = frozenset({"message-id", "x-notifier-id", "return-path", "in-reply-to", "references", "from", "to"})

#: Begins the dedupe key of an email that a program asked for with a key of its own.
_KEY_OF_PROGRAM: Final = "key:"


@dataclass(slots=True)
class Found:
    """What a search found, the newest first."""

    people: list[User] = field(default_factory=list)
    emails: list[Notification] = field(default_factory=list)
    #: Whether there are more people than MOST.
    more: bool = False
    #: The number of an email whose id was typed, but with a signature that is not ours.
    forged: int | None = None
    #: The suppression of the address that was typed.
    suppression: Suppression | None = None
    #: When the address that was typed was erased, and the number of the person that it belonged to, if known.
    erased_at: datetime | None = None
    erased_person: int | None = None
    #: The entries of erasures whose reference was typed.
    erasures: list[AuditEntry] = field(default_factory=list)
    #: Whether the text is too short for a part of a name.
    is_short: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was found."""
        told = self.forged or self.suppression or self.erased_at
        return not (self.people or self.emails or self.erasures or told)


class Finder:
    """Find by one text. It changes nothing."""

    def __init__(self, session: Session, keys: Sequence[str], *, allow_local: bool) -> None:
        """Find in `session`. `keys`: SECRET_KEYS. `allow_local`: whether addresses of this network are addresses."""
        self._session = session
        self._keys = keys
        self._allow_local = allow_local

    def find(self, typed: str) -> Found:
        """Return the people and emails that this text names, or is a part of."""
        texts = spellings(typed)
        found = Found()
        if not texts:
            return found
        self._emails(found, texts)
        self._by_address(found, texts)
        is_exact = bool(found.people or found.emails or found.forged) and not texts[0].isdecimal()
        self._by_id(found, texts)
        found.erasures = audit_log.erasures_under(self._session, texts, MOST)
        if is_exact:
            return found
        words = unicodedata.normalize("NFC", texts[-1]).split()[:MOST_WORDS]
        if len("".join(words)) < LEAST_CHARACTERS:
            found.is_short = found.is_empty
            return found
        self._by_text(found, words)
        return found

    def _emails(self, found: Found, texts: Sequence[str]) -> None:
        named = next(filter(None, (find(text) for text in texts for find in (read, read_return_path))), None)
        if named is not None:
            row = self._session.get(Notification, named.pk)
            if row is None:
                return
            proven = Ids(self._keys).proves(
                named, pk=row.id, dedupe_key=row.dedupe_key, key=row.id_key, message_id=row.message_id
            )
            if proven:
                found.emails = [row]
            else:
                found.forged = row.id
            return
        # Servers and providers make Message-IDs of their own, whose first part is often the id that they gave us.
        ids = {*texts, *(text.partition("@")[0] for text in texts)}
        keys = {*texts, *(f"{_KEY_OF_PROGRAM}{text}" for text in texts)}
        found.emails = self._newest(Notification.server_id.in_(sorted(ids)))
        found.emails += self._newest(Notification.dedupe_key.in_(sorted(keys)))

    def _newest(self, where: ColumnElement[bool]) -> list[Notification]:
        query = select(Notification).where(where).order_by(Notification.id.desc()).limit(MOST)
        return list(self._session.scalars(query))

    def _by_address(self, found: Found, texts: Sequence[str]) -> None:
        for text in texts:
            try:
                key = parse_address(text, allow_local=self._allow_local).identity_key
            except AddressError:
                continue
            self._add(found, User.identity_key == key)
            found.suppression = suppressions.find(self._session, key)
            found.erased_at = audit_log.erased_at(self._session, key, self._keys)
            if found.erased_at is not None:
                found.erased_person = audit_log.erased_person(self._session, key, self._keys)
            former = audit_log.corrected_from(self._session, key, self._keys)
            if former:
                self._add(found, User.id.in_(former))
            return

    def _by_id(self, found: Found, texts: Sequence[str]) -> None:
        self._add(found, User.external_id.in_(texts))
        number = texts[0].removeprefix("#")
        if number.isascii() and number.isdecimal() and int(number) <= MAX_KEY:
            row = self._session.get(Notification, int(number))
            if row is not None and row not in found.emails:
                found.emails.append(row)
            self._add(found, User.id == int(number))

    def _by_text(self, found: Found, words: Collection[str]) -> None:
        room = MOST - len(found.people)
        rows = self._people(*(self._has(word) for word in words), limit=room + len(found.people) + 1)
        known = {user.id for user in found.people}
        new = [user for user in rows if user.id not in known]
        found.people += new[:room]
        found.more = len(new) > room

    def _has(self, word: str) -> ColumnElement[bool]:
        """Build the condition that a person's name or address has this word in it."""
        # Databases differ in which letters they fold, so letters outside ASCII are looked for in each of their cases.
        spelled = [] if word.isascii() else sorted({word, word.lower(), word.upper(), word.title()})
        names = (User.display_name.contains(each, autoescape=True) for each in spelled)
        folded = func.lower(User.display_name).contains(word.lower(), autoescape=True)
        addresses = (User.identity_key.contains(each, autoescape=True) for each in _as_addresses(word))
        return or_(folded, *names, *addresses)

    def _add(self, found: Found, where: ColumnElement[bool]) -> None:
        known = {user.id for user in found.people}
        found.people += [user for user in self._people(where, limit=MOST) if user.id not in known]

    def _people(self, *where: ColumnElement[bool], limit: int) -> list[User]:
        query = select(User).where(User.is_person(), *where).order_by(User.id.desc()).limit(limit)
        return list(self._session.scalars(query))


def spellings(typed: str) -> list[str]:
    """Return the texts to look for: what was typed, without the name of a header, and what its angle brackets hold."""
    text = " ".join(typed.split())
    name, colon, rest = text.partition(":")
    if colon and name.strip().lower() in _HEADERS:
        text = rest.strip()
    _, opened, within = text.rpartition("<")
    inner = within.partition(">")[0].strip() if opened else ""
    return [each for each in (text, inner) if each]


def _as_addresses(word: str) -> list[str]:
    """Return how an identity key spells this part of an address: in lower case, a domain as an A-label."""
    spelled = [word.lower()]
    local, at, domain = word.rpartition("@")
    if not domain.isascii():
        try:
            known = parse_address(f"x@{domain}", allow_local=True).domain
        except AddressError:
            return spelled
        spelled.append(f"{local.lower()}{at}{known}")
    return spelled
