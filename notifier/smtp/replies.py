"""Parse a server's bytes into replies (RFC 5321, section 4.2), with limits on everything a server may send."""

import re
from functools import lru_cache

from notifier.smtp.outcome import Failure, Reply, clean

#: Bytes of one line: four times the 512 that RFC 5321 (4.5.3.1.5) allows, because real servers exceed it.
MAX_LINE = 4 * 512
#: Bytes of a whole reply. The longest in practice is the reply to EHLO, about 30 lines.
MAX_REPLY = 128 * 512
#: Lines of one reply. All of them are scanned again with each line that comes in.
MAX_LINES = 1000

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
#: The lookahead excludes the beginning of an address: local parts can look like a status code.
_STATUS = r"([245]\.\d{1,3}\.\d{1,3})\b(?![\w.+#]*(?:@|%40))"
_ENHANCED = re.compile(rf"[(\[]?#?{_STATUS}[)\]:]?\s*")
_ENHANCED_WITHIN = re.compile(rf"#{_STATUS}")


class WireError(Exception):
    """The conversation cannot continue.

    `kind` says how it ended, `detail` is for people. `unsent` is the phase of the first piece of output that the
    kernel did not take as a whole.
    """

    def __init__(self, kind: Failure, detail: str = "", unsent: str | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.unsent = unsent


class ReplyReader:
    """Collect bytes and return whole replies, in order."""

    __slots__ = ("_buffer", "_lines")

    def __init__(self) -> None:
        #: The bytes after the last whole line.
        self._buffer = b""
        #: Whole lines that were not returned as a reply yet, the newest first.
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Add received bytes."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if self._lines:
            lines = self._lines[::-1] + lines
        lines.reverse()
        self._lines = lines

    @property
    def pending(self) -> bool:
        """Return whether bytes are left that were not returned as a reply yet."""
        return bool(self._lines or self._buffer)

    def take(self) -> Reply | None:
        """Return the next reply, or None if it is not complete yet. Raise WireError (garbage)."""
        lines = self._lines
        # 45 is "-", which means that more lines of this reply follow.
        if lines and (len(lines[-1]) < 4 or lines[-1][3] != 45):
            line = lines.pop()
            if len(line) > MAX_LINE:
                raise _endless()
            return parse_reply(line)
        return self._take_long()

    def _take_long(self) -> Reply | None:
        """Return a reply of several lines, or None if it is not complete yet."""
        lines, size = self._lines, 0
        for number in range(len(lines) - 1, -1, -1):
            line = lines[number]
            size += len(line) + 1
            if len(line) > MAX_LINE or size > MAX_REPLY or len(lines) - number > MAX_LINES:
                raise _endless()
            if len(line) < 4 or line[3] != 45:
                whole = lines[number:]
                del lines[number:]
                return parse_reply(b"\n".join(reversed(whole)))
        if len(self._buffer) > MAX_LINE or size + len(self._buffer) > MAX_REPLY:
            raise _endless()
        # Fail now if the bytes can no longer become a reply.
        if len(self._buffer) > 3:
            _split(self._buffer.rstrip(b"\r"))
        return None


def _endless() -> WireError:
    return WireError(Failure.GARBAGE, "an endless reply")


def _split(line: bytes) -> tuple[int, str, str]:
    """Return the code, the separator and the text of one line."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise WireError(Failure.GARBAGE, "not an SMTP reply: " + line[:80].decode("ascii", "replace"))
    code, separator, text = match.groups(b"")
    return int(code), separator.decode(), text.decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def parse_reply(raw: bytes) -> Reply:
    """Parse one reply of one or more lines, without the last line end. Raise WireError (garbage).

    Servers repeat a handful of replies, so a small cache saves most of the work.
    """
    code, enhanced, lines = 0, None, []
    for line in raw.split(b"\n"):
        number, _, text = _split(line.rstrip(b"\r"))
        if code and number != code:
            raise WireError(Failure.GARBAGE, f"one reply with the codes {code} and {number}")
        code = number
        match = _ENHANCED.match(text)
        if match and enhanced in {None, match[1]}:
            enhanced, text = match[1], text[match.end() :]
        lines.append(clean(text))
    text = clean(" ".join(lines))
    if enhanced is None and (within := _ENHANCED_WITHIN.search(text)):
        enhanced = within[1]
    return Reply(code, text, enhanced, tuple(lines))
