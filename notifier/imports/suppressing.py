"""Store another system's suppressions and opt-outs. Nothing here removes or weakens what is stored.

- A dead address, one that complained and one that was blocked are suppressed, since the date in the file.
- An unsubscribed address gets no more campaigns, but still the emails that its person needs. If no person here has it,
  the opt-out is kept for the address, and counts for people who are imported later.
- Of an erased address only the digest is suppressed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from notifier.consent import by_address, preferences, suppressions
from notifier.consent.preferences import REFUSABLE, How
from notifier.database.keys import among
from notifier.database.transaction import transaction
from notifier.imports.exports.entries import Entry, What
from notifier.imports.lines import Problem
from notifier.mail.addresses import AddressError, parse_address
from notifier.models import Preference, SuppressionReason, User
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

CHUNK: Final = 1000

_REASONS: Final = {
    What.dead: SuppressionReason.hard_bounce,
    What.complained: SuppressionReason.complaint,
    What.blocked: SuppressionReason.manual,
}
#: Which entry counts if a chunk has several of one address, the strongest first.
_ORDER: Final = (What.complained, What.blocked, What.dead, What.unsubscribed)


@dataclass(slots=True)
class Tally:
    """What became of the entries of a file."""

    entries: int = 0
    #: Addresses that are suppressed now, or for a stronger reason than before.
    suppressed: int = 0
    #: Addresses for which nothing changed.
    known: int = 0
    #: People who get no more campaigns.
    opted_out: int = 0
    #: Addresses of which an opt-out is kept, and that no person here has.
    kept: int = 0
    #: Refusals that will pass, which are not imported.
    temporary: int = 0
    #: Addresses with which nothing is wrong.
    fine: int = 0
    refused: int = 0

    def add(self, other: "Tally") -> None:
        """Add the numbers of another one."""
        for name, number in asdict(other).items():
            setattr(self, name, getattr(self, name) + number)


@dataclass(frozen=True, slots=True)
class SuppressionImport:
    """How an export is imported."""

    session: Callable[[], Session]
    #: mailchimp, say.
    system: str
    #: The arguments of `parse_address`.
    addresses: Mapping[str, Any]
    #: SECRET_KEYS.
    keys: Sequence[str]
    now: datetime
    #: Do everything, and roll it back.
    dry_run: bool = False
    #: Called for every entry that cannot be imported.
    on_problem: Callable[[Problem], object] = lambda problem: None
    on_progress: Callable[[int], object] = lambda done: None

    def run(self, entries: Iterable[Entry], by: Actor) -> Tally:
        """Import these entries, in small transactions. The audit log records the numbers, unless it is a dry run."""
        tally, source = Tally(), iter(entries)
        while chunk := list(islice(source, CHUNK)):
            tally.add(self._store(chunk))
            self.on_progress(chunk[-1].line)
        if not self.dry_run:
            with transaction(self.session) as session:
                numbers = asdict(tally) | {"system": self.system}
                audit_log.record(session, by, "suppressions.imported", object_type="suppressions", after=numbers)
        return tally

    def _store(self, chunk: Sequence[Entry]) -> Tally:
        done = Tally(entries=len(chunk))
        wanted = self._read(chunk, done)
        session = self.session()
        try:
            self._suppress(session, wanted, done)
            self._opt_out(session, wanted, done)
            if not self.dry_run:
                session.commit()
        finally:
            session.rollback()
            session.expunge_all()
        return done

    def _read(self, chunk: Sequence[Entry], done: Tally) -> dict[str, Entry]:
        """Return the entry that counts of each address that is to be changed, by identity key."""
        found: dict[str, Entry] = {}
        for entry in chunk:
            identity_key, problem = self._identity(entry)
            if problem is not None:
                done.refused += 1
                self.on_problem(problem)
            elif entry.what is What.temporary:
                done.temporary += 1
            elif entry.what is What.fine:
                done.fine += 1
            elif identity_key not in found:
                found[identity_key] = entry
            else:
                done.known += 1
                found[identity_key] = min(found[identity_key], entry, key=lambda each: _ORDER.index(each.what))
        return found

    def _identity(self, entry: Entry) -> tuple[str, Problem | None]:
        if entry.problem:
            return "", Problem(entry.line, "", entry.problem)
        if entry.what is What.unclear:
            return "", Problem(entry.line, "reason", "it is none that we know")
        try:
            return parse_address(entry.address, **self.addresses).identity_key, None
        except AddressError as error:
            return "", Problem(entry.line, "email", str(error))

    def _suppress(self, session: Session, wanted: Mapping[str, Entry], done: Tally) -> None:
        mine = {key: entry for key, entry in wanted.items() if entry.what in _REASONS}
        concealed = suppressions.erased_among(session, mine, self.keys)
        erased = audit_log.erased_among(session, mine, self.keys) - concealed
        new = [self._new(key, entry, is_erased=key in erased) for key, entry in mine.items() if key not in concealed]
        made = len(suppressions.add_all(session, new))
        done.suppressed += made
        done.known += len(mine) - made

    def _new(self, identity_key: str, entry: Entry, *, is_erased: bool) -> suppressions.New:
        key = suppressions.concealed(identity_key, self.keys[-1]) if is_erased else identity_key
        since = None if entry.at is None else min(entry.at, self.now)
        evidence = "" if is_erased else f"{self.system}: {entry.words}"
        return suppressions.New(key, _REASONS[entry.what], f"import: {self.system}", evidence, since=since)

    def _opt_out(self, session: Session, wanted: Mapping[str, Entry], done: Tally) -> None:
        """Let people who unsubscribed or complained get no more campaigns."""
        mine = {key: entry for key, entry in wanted.items() if entry.what in (What.unsubscribed, What.complained)}
        if not mine:
            return
        query = select(User.id, User.identity_key).where(among(session, User.identity_key, mine))
        rows = session.execute(query).all()
        people, here = {row.id: mine[row.identity_key] for row in rows}, {row.identity_key for row in rows}
        changed = self._refuse(session, people)
        done.opted_out += len(changed)
        alone = {key: entry for key, entry in mine.items() if entry.what is What.unsubscribed and key not in here}
        gone = audit_log.erased_among(session, alone, self.keys) | suppressions.erased_among(session, alone, self.keys)
        refused = by_address.refused_among(session, alone)
        kept = {
            key: entry.at or self.now
            for key, entry in alone.items()
            if key not in gone and refused.get(key) != set(REFUSABLE)
        }
        by_address.refuse_all(session, kept)
        done.kept += len(kept)
        unsubscribed = sum(entry.what is What.unsubscribed for entry in mine.values())
        changed_addresses = {people[pk].address for pk in changed if people[pk].what is What.unsubscribed}
        done.known += unsubscribed - len(kept) - len(changed_addresses)

    def _refuse(self, session: Session, people: Mapping[int, Entry]) -> set[int]:
        """Refuse every category for these people, except what they switched on again after the date of the file."""
        later = select(Preference.user_id, Preference.category, Preference.updated_at).where(
            among(session, Preference.user_id, people), Preference.wanted
        )
        since = {(row.user_id, row.category): row.updated_at for row in session.execute(later)}
        categories = {
            pk: [
                category
                for category in REFUSABLE
                if entry.at is None or (moment := since.get((pk, category))) is None or moment <= entry.at
            ]
            for pk, entry in people.items()
        }
        by_no_email = dict.fromkeys(people)
        return preferences.decide_all_of(
            session, by_no_email, False, how=How.imported, now=self.now, categories=categories
        )
