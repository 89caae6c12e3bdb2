"""Read the items of a JSON file one by one: an export of a million addresses must not be held at once."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from notifier.imports.files import FileError, TextFile

#: Characters of one item, and read at once.
MAX_ITEM: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024
#: Characters that are kept of what stands outside of the items.
MAX_OUTSIDE: Final = 1024 * 1024

_BLANK = re.compile(r"[\s,]*")
#: An array that is a whole document, or a member.
_ARRAY = re.compile(r'\A\s{0,100}\[|"([A-Za-z]{1,40})"\s{0,100}:\s{0,100}\[')
_DECODER = json.JSONDecoder()


class Items:
    """The objects of the arrays with certain names, or of arrays that are the whole document.

    Several documents may follow each other, such as the pages of an answer.
    """

    def __init__(self, file: TextFile, *names: str) -> None:
        """Read from `file`. `names`: of the members whose arrays are meant, such as `results`."""
        self._file = file
        self._names = names
        #: How many arrays were read.
        self.arrays = 0
        #: What stands outside of them, such as the number of all items; the end of it, if it is long.
        self.outside = ""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Yield the objects.

        Raise FileError if there is no such array, it does not end, or it contains something else than objects.
        """
        buffer = _Buffer(self._file)
        try:
            while buffer.seek(self._names):
                self.arrays += 1
                while (item := buffer.item()) is not None:
                    yield item
        finally:
            self.outside = buffer.outside
            buffer.close()
        if not self.arrays:
            raise FileError("The file has no list of addresses. Is it an export of this system?")


class _Buffer:
    """The part of the text that is looked at."""

    def __init__(self, file: TextFile) -> None:
        self._text = file.text()
        self._rest = ""
        self.outside = ""

    def close(self) -> None:
        self._text.detach()

    def seek(self, names: Sequence[str]) -> bool:
        """Go to the first item of the next array that is meant. Return False if there is none."""
        while True:
            for match in _ARRAY.finditer(self._rest):
                if match[1] is None or match[1] in names:
                    self._pass(match.start())
                    self._rest = self._rest[match.end() - match.start() :]
                    return True
            if not self._more():
                self._pass(len(self._rest))
                return False
            # The beginning of an array may be cut in two, and none is longer.
            self._pass(max(0, len(self._rest) - _CHUNK - 1000))

    def _pass(self, length: int) -> None:
        """Go on by `length` characters, which are outside of the arrays."""
        self.outside = (self.outside + self._rest[:length])[-MAX_OUTSIDE:]
        self._rest = self._rest[length:]

    def item(self) -> dict[str, Any] | None:
        """Return the next object of the array; None at its end."""
        while True:
            self._rest = self._rest[_BLANK.match(self._rest).end() :]  # type: ignore[union-attr]
            if self._rest.startswith("]"):
                self._rest = self._rest[1:]
                return None
            try:
                item, end = _DECODER.raw_decode(self._rest)
            except (ValueError, RecursionError):
                # It may only be cut off. Not to try again for each portion keeps a long item cheap.
                if len(self._rest) > MAX_ITEM or not self._more():
                    raise FileError("The JSON of the file is broken, or cut off.") from None
                continue
            if not isinstance(item, dict):
                raise FileError("The list contains something else than objects.")
            self._rest = self._rest[end:]
            return item

    def _more(self) -> bool:
        read = self._text.read(_CHUNK)
        self._rest += read
        return bool(read)
