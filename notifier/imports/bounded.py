"""Import a file that came over the web: whole in memory, bounded, and answered at once.

Larger ones are for the command.
"""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from sqlalchemy.orm import Session

from notifier.imports.exports.registry import entries_of
from notifier.imports.files import FileError, Table, TextFile
from notifier.imports.lines import ColumnMap, LineReader, PersonLine, Problem
from notifier.imports.people import Responsibility
from notifier.imports.running import PeopleImport
from notifier.imports.suppressing import SuppressionImport
from notifier.mail.header_text import clean_text
from notifier.operators.audit_log import Actor

#: Bytes of a file, and its lines or items.
MOST_BYTES: Final = 8 * 1024 * 1024
MOST_LINES: Final = 20_000
#: Refused lines that are told.
TOLD: Final = 100

#: First lines that are shown, with addresses that are not complete.
SHOWN: Final = 5

Each = TypeVar("Each")


class TooManyLines(FileError):
    """The file is for the command."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it came."""

    data: bytes
    #: One of ENCODINGS; None: UTF-8, or what a byte order mark says.
    encoding: str | None = None


class Shown(NamedTuple):
    """A line as a preview shows it."""

    line: int
    #: The id of a person, or what another system says of the address.
    about: str
    #: Masked; empty if the line cannot be used.
    address: str


@dataclass(slots=True)
class Report:
    """What became of a file, or would become of it."""

    numbers: dict[str, int] = field(default_factory=dict)
    #: The first TOLD lines that were refused.
    problems: list[Problem] = field(default_factory=list)
    #: Columns of the file that were not used.
    unused: list[str] = field(default_factory=list)
    first: list[Shown] = field(default_factory=list)

    def refuse(self, problem: Problem) -> None:
        """Keep a refused line, if it is one of the first."""
        if len(self.problems) < TOLD:
            self.problems.append(problem)


@dataclass(frozen=True, slots=True)
class BoundedImport:
    """How files are imported. Nothing of a file that is refused as a whole is stored."""

    session: Callable[[], Session]
    #: The arguments of `parse_address`.
    addresses: Mapping[str, Any]
    #: SECRET_KEYS.
    keys: Sequence[str]
    now: datetime
    #: Do everything, and roll it back.
    dry_run: bool = False

    def people(self, upload: Upload, by: Actor, responsibility: Responsibility | None = None) -> Report:
        """Import a CSV file of people. Raise FileError."""
        table = Table(TextFile(io.BytesIO(upload.data), upload.encoding))
        columns = ColumnMap(table.header, {})
        rows, report = _all(table.rows()), Report(unused=[clean_text(name, 80) for name in columns.unused])
        reader = LineReader(columns, addresses=self.addresses, now=self.now)
        people = [line for row in rows[:SHOWN] if isinstance(line := reader.read(row), PersonLine)]
        report.first = [Shown(line.line, line.external_id, masked(line.email)) for line in people]
        work = PeopleImport(
            session=self.session,
            reader=reader,
            keys=self.keys,
            now=self.now,
            responsibility=responsibility,
            dry_run=self.dry_run,
            on_problem=report.refuse,
        )
        report.numbers = work.run(rows, by).numbers()
        return report

    def suppressions(
        self, upload: Upload, by: Actor, system: str, *, of: str | None = None, reason: str = "manual"
    ) -> Report:
        """Import the list of another system; the arguments are those of `entries_of`. Raise FileError."""
        file = TextFile(io.BytesIO(upload.data), upload.encoding)
        entries, report = _all(entries_of(file, system, of=of, reason=reason)), Report()
        report.first = [Shown(each.line, each.what.name, masked(each.address)) for each in entries[:SHOWN]]
        work = SuppressionImport(
            session=self.session,
            system=system,
            addresses=self.addresses,
            keys=self.keys,
            now=self.now,
            dry_run=self.dry_run,
            on_problem=report.refuse,
        )
        report.numbers = asdict(work.run(entries, by))
        return report


def masked(address: str) -> str:
    """Return the address with one character of its local part at most; empty for what is no address."""
    local, at, domain = address.rpartition("@")
    return clean_text(f"{local[0] if len(local) > 1 else ''}…@{domain}", 80) if at else ""


def _all(source: Iterable[Each]) -> list[Each]:
    """Return all lines. Raise FileError if there are too many, or if one cannot be read, before anything is stored."""
    found = list(islice(source, MOST_LINES + 1))
    if len(found) > MOST_LINES:
        raise TooManyLines(f"The file has more than {MOST_LINES:,} lines. Import it with the command, or in parts.")
    return found
