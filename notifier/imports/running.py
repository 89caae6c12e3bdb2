"""Import a whole file of people: chunk by chunk, each in a transaction of its own.

Storing a chunk again changes nothing, so an import that was killed is simply started again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Final

from sqlalchemy.orm import Session

from notifier.database.transaction import transaction
from notifier.imports.files import Row
from notifier.imports.lines import LineReader, PersonLine, Problem
from notifier.imports.people import Numbers, Raced, Responsibility, Stored, store
from notifier.imports.seen import SeenIds
from notifier.operators import audit_log
from notifier.operators.audit_log import Actor

#: Lines in one transaction.
CHUNK: Final = 1000
#: How often a chunk is tried if others add the same people at the same time.
_TRIES: Final = 5
_NUMBERS: Final = ("lines", "created", "changed", "unchanged", "refused", "unconfirmed", "held_back", "opted_out")


@dataclass(slots=True)
class Tally(Numbers):
    """What became of the lines of a file."""

    lines: int = 0
    refused: int = 0
    #: Refused lines by what is wrong: (column, text) -> lines.
    problems: Counter[tuple[str, str]] = field(default_factory=Counter)

    def numbers(self) -> dict[str, int]:
        """Return the numbers by their names."""
        return {name: getattr(self, name) for name in _NUMBERS}

    @property
    def stored(self) -> int:
        """Return the number of people who are here now because of the file, or were before."""
        return self.created + self.changed + self.unchanged

    def add(self, lines: int, stored: Stored) -> None:
        """Add the numbers of a chunk."""
        self.lines += lines
        self.count(stored)
        self.refused += len(stored.problems)
        self.problems.update((problem.column, problem.text) for problem in stored.problems)


@dataclass(frozen=True, slots=True)
class PeopleImport:
    """How a file of people is imported."""

    session: Callable[[], Session]
    reader: LineReader
    #: SECRET_KEYS.
    keys: Sequence[str]
    now: datetime
    responsibility: Responsibility | None = None
    #: Do everything, and roll it back.
    dry_run: bool = False
    #: Called for every refused line, in the order of chunks.
    on_problem: Callable[[Problem], object] = lambda problem: None
    #: Called after each chunk with the line that it ended on.
    on_progress: Callable[[int], object] = lambda line: None

    def run(self, rows: Iterable[Row], by: Actor) -> Tally:
        """Import these rows. The audit log records the numbers, unless it is a dry run."""
        tally = Tally()
        with closing(SeenIds()) as seen:
            for chunk in _chunks(rows):
                read = [self.reader.read(row) for row in chunk]
                lines = [each for each in read if isinstance(each, PersonLine)]
                problems = [each for each in read if isinstance(each, Problem)]
                repeated = seen.add([(line.external_id, line.line) for line in lines])
                problems += [_repeated(line, first) for line, first in repeated.items()]
                stored = self._store([line for line in lines if line.line not in repeated])
                stored.problems = sorted([*problems, *stored.problems], key=lambda problem: problem.line)
                tally.add(len(chunk), stored)
                for problem in stored.problems:
                    self.on_problem(problem)
                self.on_progress(chunk[-1].line)
        if not self.dry_run:
            self._record(tally, by)
        return tally

    def _store(self, lines: Sequence[PersonLine]) -> Stored:
        tries = 1
        while True:
            try:
                return self._store_once(lines)
            except Raced:
                if tries == _TRIES:
                    raise
                tries += 1

    def _store_once(self, lines: Sequence[PersonLine]) -> Stored:
        if not self.dry_run:
            with transaction(self.session) as session:
                return self._chunk(session, lines)
        session = self.session()
        try:
            return self._chunk(session, lines)
        finally:
            session.rollback()

    def _chunk(self, session: Session, lines: Sequence[PersonLine]) -> Stored:
        stored = store(session, lines, keys=self.keys, now=self.now, responsibility=self.responsibility)
        # Objects of opt-outs would otherwise live until the end of the file.
        session.expunge_all()
        return stored

    def _record(self, tally: Tally, by: Actor) -> None:
        numbers = {
            "lines": tally.lines, "created": tally.created, "changed": tally.changed, "unchanged": tally.unchanged,
            "refused": tally.refused, "unconfirmed": tally.unconfirmed,
        }  # fmt: skip
        vouched = self.responsibility
        basis = {} if vouched is None else {"confirmed_at": vouched.confirmed_at.isoformat(), "basis": vouched.basis}
        with transaction(self.session) as session:
            audit_log.record(session, by, "people.imported", object_type="people", after=numbers | basis)


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    source = iter(rows)
    while chunk := list(islice(source, CHUNK)):
        yield chunk


def _repeated(line: int, first: int) -> Problem:
    return Problem(line, "external_id", f"line {first:,} has the same id")
