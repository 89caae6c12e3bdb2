"""The output on the terminal: the lines of all children, marked by name and colour."""

import errno
import os
from typing import TextIO

from notifier.mail.characters import escaped

#: Errors of a full volume, which may have room again later.
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_COLOURS = ("36", "33", "35", "32", "34", "96", "93", "95")


class Console:
    """A terminal or pipe that may vanish at any time."""

    def __init__(self, stream: TextIO, names: list[str]) -> None:
        self._stream = stream
        self._width = max((len(name) for name in names), default=0)
        colour = stream.isatty() and not os.environ.get("NO_COLOR")
        self._colours = dict(zip(names, _COLOURS * 2, strict=False)) if colour else {}
        self._gone = False

    def line(self, name: str, text: str) -> None:
        """Print a line of a child, made safe to show because it may quote input of strangers."""
        text = escaped(text)
        label = name.ljust(self._width)
        colour = self._colours.get(name)
        self.say(f"\x1b[{colour}m{label} |\x1b[0m {text}" if colour else f"{label} | {text}")

    def say(self, text: str) -> None:
        """Print a line. Ignore a closed terminal, which must not leave children behind, and a full volume."""
        if self._gone:
            return
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except OSError as error:
            self._gone = error.errno not in FULL
