"""Read the items of a JSON file one by one: an export of a million addresses must not be held at once."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from notifier.imports.files import FileError, TextFile

#: Characters of one item, and read at once.
MAX_ITEM: Final = 1024 * 1024
_CHUNK: Final = 64 * 1024

_BLANK = re.compile(r"[\s,]*")
#: An array that is a whole document, or a member.
_ARRAY = re.compile(r'\A\s{0,100}\[|"([A-Za-z]{1,40})"\s{0,100}:\s{0,100}\[')
_DECODER = json.JSONDecoder()


def items_of(file: TextFile, *names: str) -> Iterator[dict[str, Any]]:
    """Yield the objects of the arrays with these names, or of arrays that are the whole document.

    Several documents may follow each other, such as the pages of an answer.

    Args:
        file: The file.
        names: Of the members whose arrays are meant, such as `results`.

    Raises:
        FileError: There is no such array, it does not end, or it contains something else than objects.
    """
    buffer, found = _Buffer(file), False
    try:
        while buffer.seek(names):
            found = True
            while (item := buffer.item()) is not None:
                yield item
    finally:
        buffer.close()
    if not found:
        raise FileError("The file has no list of addresses. Is it an export of this system?")


class _Buffer:
    """The part of the text that is looked at."""

    def __init__(self, file: TextFile) -> None:
        self._text = file.text()
        self._rest = ""

    def close(self) -> None:
        self._text.detach()

    def seek(self, names: Sequence[str]) -> bool:
        """Go to the first item of the next array that is meant. Return False if there is none."""
        while True:
            for match in _ARRAY.finditer(self._rest):
                if match[1] is None or match[1] in names:
                    self._rest = self._rest[match.end() :]
                    return True
            if not self._more():
                return False
            # The beginning of an array may be cut in two, and none is longer.
            self._rest = self._rest[-_CHUNK - 1000 :]

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
