"""Files that other systems exported: their encoding, their delimiter and their lines, all of it bounded.

A file is read twice, once to see whether all of it can be read, so that nothing of an unreadable file is stored.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

#: Characters of a physical line, and of a cell.
MAX_LINE: Final = 1024 * 1024
MAX_CELL: Final = 64 * 1024
#: Columns of a table.
MAX_COLUMNS: Final = 500

ENCODINGS: Final = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1")
DELIMITERS: Final = (",", ";", "\t", "|")

_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: Bytes that are looked at to find the encoding.
_HEAD: Final = 4096
_QUOTED = re.compile(r'"[^"]*"')
#: How files begin that spreadsheets and archivers write: ZIP, which is also .xlsx; gzip; the older .xls; PDF.
_NO_TEXT: Final = (b"PK\x03\x04", b"\x1f\x8b", b"\xd0\xcf\x11\xe0", b"%PDF-")


class FileError(ValueError):
    """The file as a whole cannot be imported. The message is for the person who gave it, and quotes no data of it."""

    def __init__(self, message: str, for_command: str = "") -> None:
        """`for_command`: what helps a person who gave it to the command, such as an option."""
        super().__init__(f"{message} {for_command}".rstrip())
        #: What is wrong, for every door.
        self.message = message


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a table. `problem` says why it has no cells that can be used."""

    #: The physical line on which it ends, from 1; the header is on 1. With a problem: on which it begins.
    line: int
    cells: Sequence[str]
    problem: str = ""


class TextFile:
    """The text of an exported file, which can be sought. Its end of lines may be of any system."""

    def __init__(self, file: BinaryIO, encoding: str | None = None) -> None:
        """Read all of `file` once.

        Args:
            file: A file that can be sought, from its beginning.
            encoding: One of ENCODINGS; None: UTF-8, or UTF-16 if a byte order mark says so.

        Raises:
            FileError: It is empty, or its text is not in this encoding.
        """
        self._file = file
        self.encoding = _encoding(file, encoding)
        self.lines = 0
        #: The first line with more than MAX_LINE characters, which only JSON may have.
        self.long_line: int | None = None
        self._count()

    def text(self) -> io.TextIOWrapper:
        """Open the text from its beginning. Detach it when done: closing would close the file."""
        self._file.seek(0)
        return io.TextIOWrapper(self._file, self.encoding, newline="")

    def _count(self) -> None:
        text = self.text()
        try:
            while line := text.readline(MAX_LINE + 1):
                if len(line) > MAX_LINE and self.long_line is None:
                    self.long_line = self.lines + 1
                self.lines += 1
        except UnicodeError:
            raise FileError(_not_in(self.encoding, self.lines + 1)) from None
        finally:
            text.detach()


class Table:
    """A CSV file: its header, and its rows as a stream."""

    def __init__(self, file: TextFile, delimiter: str | None = None) -> None:
        """Read the header.

        Args:
            file: The file.
            delimiter: None: that of DELIMITERS which is most frequent in the header.

        Raises:
            FileError: There is no header, it has too many columns, or two with one name; or a line is too long.
        """
        if file.long_line is not None:
            raise FileError(f"Line {file.long_line:,} is longer than {MAX_LINE:,} characters.")
        self.file = file
        text = file.text()
        try:
            first = text.readline(MAX_LINE)
        finally:
            text.detach()
        self.delimiter = delimiter or _delimiter(first)
        self.header = self._header()

    def rows(self) -> Iterator[Row]:
        """Yield all rows after the header. Blank lines are left out."""
        width = len(self.header)
        for number, row in enumerate(self._read()):
            if number == 0 or (not row.problem and not any(row.cells)):
                continue
            if not row.problem and len(row.cells) != width:
                problem = f"it has {len(row.cells)} columns, and the header has {width}"
                row = Row(row.line, (), problem)
            yield row

    def _header(self) -> tuple[str, ...]:
        first = next(self._read(), None)
        if first is None or first.problem or not any(cell.strip() for cell in first.cells):
            why = f" Here {first.problem}." if first and first.problem else ""
            raise FileError(f"The first line must name the columns.{why}")
        if len(first.cells) > MAX_COLUMNS:
            raise FileError(f"The file has more than {MAX_COLUMNS} columns.")
        names = tuple(cell.strip() for cell in first.cells)
        seen: set[str] = set()
        for number, name in enumerate(names, 1):
            if name and name.casefold() in seen:
                raise FileError(f"Column {number} has the same name as a column before it. Rename or remove one.")
            seen.add(name.casefold())
        return names

    def _read(self) -> Iterator[Row]:
        text = self.file.text()
        lines = _Lines(text)
        reader = csv.reader(lines, delimiter=self.delimiter)
        try:
            while True:
                begin = reader.line_num + 1
                # The limit is one for the whole process, so it counts only while our reader works.
                before = csv.field_size_limit(MAX_CELL)
                try:
                    cells = next(reader)
                except StopIteration:
                    return
                except csv.Error:
                    problem = f"a cell is longer than {MAX_CELL:,} characters, as if a quote were open"
                    yield Row(begin, (), problem + _swallowed(begin, reader.line_num))
                    continue
                finally:
                    csv.field_size_limit(before)
                if lines.ended:
                    yield Row(begin, (), "a quote is open to the end of the file" + _swallowed(begin, reader.line_num))
                elif any("\0" in cell for cell in cells):
                    yield Row(begin, (), "a cell contains a NUL character")
                else:
                    yield Row(reader.line_num, cells)
        finally:
            text.detach()


class _Lines:
    """The lines of a text for a reader of CSV.

    A reader that asks for more than there is, and still returns a row, has a quote that is open: all later lines are in
    that one cell.
    """

    def __init__(self, text: Iterable[str]) -> None:
        self._lines = iter(text)
        #: Whether more was asked for than there is.
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        try:
            return next(self._lines)
        except StopIteration:
            self.ended = True
            raise


def _swallowed(begin: int, end: int) -> str:
    """Return which lines after `begin` are part of its cell, and so are not read by themselves."""
    if end <= begin:
        return ""
    return f": line {end:,} is in it, too" if end == begin + 1 else f": lines {begin + 1:,} to {end:,} are in it, too"


def _encoding(file: BinaryIO, named: str | None) -> str:
    file.seek(0)
    head = file.read(_HEAD)
    if not head:
        raise FileError("The file is empty.")
    if head.startswith(_NO_TEXT):
        raise FileError("The file is an archive, a workbook or a document, and no text. Unpack it, or save it as CSV.")
    found = next((encoding for mark, encoding in _BOMS if head.startswith(mark)), None)
    if named is not None:
        return "utf-8-sig" if named == "utf-8" else named
    if found is None and (head[1::2].count(0) > len(head) // 4 or head[::2].count(0) > len(head) // 4):
        name = "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"
        raise FileError(f"The file looks like UTF-16 without a byte order mark. Name its encoding: {name}.")
    return found or "utf-8-sig"


def _not_in(encoding: str, line: int) -> str:
    name = "UTF-8" if encoding == "utf-8-sig" else encoding
    text = f"The text around line {line:,} is not {name}."
    return text + (" Files of Excel for Windows are often cp1252: name the encoding." if name == "UTF-8" else "")


def _delimiter(header: str) -> str:
    bare = _QUOTED.sub("", header)
    # With none of them it has one column, and any delimiter will do.
    return max(DELIMITERS, key=bare.count)
