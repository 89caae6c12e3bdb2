"""Bytes of a server -> replies (RFC 5321, section 4.2), with caps on all that a stranger may send."""

import re
from functools import lru_cache

from notifier.smtp.outcome import Failure, Reply, clean

#: Four times what RFC 5321 (4.5.3.1.5) allows a line to be; real servers overrun the 512.
MAX_LINE = 4 * 512
#: A reply as a whole. The longest that is met is the answer to EHLO, some 30 lines.
MAX_REPLY = 128 * 512
#: They are looked through again with each that comes in.
MAX_LINES = 1000

_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?", re.DOTALL)
#: Not the beginning of an address: people have such names.
_STATUS = r"([245]\.\d{1,3}\.\d{1,3})\b(?![\w.+#]*(?:@|%40))"
_ENHANCED = re.compile(rf"[(\[]?#?{_STATUS}[)\]:]?\s*")
_ENHANCED_WITHIN = re.compile(rf"#{_STATUS}")


class WireError(Exception):
    """The conversation cannot go on: how, what we know of it, and what was not handed over yet.

    `unsent` is the phase of the first piece of output that the kernel did not take as a whole.
    """

    def __init__(self, kind: Failure, detail: str = "", unsent: str | None = None) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.unsent = unsent


class ReplyReader:
    """Collects bytes and hands out whole replies, in order."""

    __slots__ = ("_buffer", "_lines")

    def __init__(self) -> None:
        #: What belongs to no whole line yet, and behind it nothing.
        self._buffer = b""
        #: Whole lines that belong to no reply handed out so far, the newest first.
        self._lines: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Add what came in."""
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        if self._lines:
            lines = self._lines[::-1] + lines
        lines.reverse()
        self._lines = lines

    @property
    def pending(self) -> bool:
        """Whether bytes wait that belong to no reply handed out so far."""
        return bool(self._lines or self._buffer)

    def take(self) -> Reply | None:
        """The next reply, None where it is not whole yet. Raises WireError (garbage)."""
        lines = self._lines
        # 45 is "-": more lines of this reply follow.
        if lines and (len(lines[-1]) < 4 or lines[-1][3] != 45):
            line = lines.pop()
            if len(line) > MAX_LINE:
                raise _endless()
            return parse_reply(line)
        return self._take_long()

    def _take_long(self) -> Reply | None:
        """A reply of several lines, or of one that is not whole yet."""
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
        # What cannot become a reply need not be waited for.
        if len(self._buffer) > 3:
            _split(self._buffer.rstrip(b"\r"))
        return None


def _endless() -> WireError:
    return WireError(Failure.GARBAGE, "a reply without end")


def _split(line: bytes) -> tuple[int, str, str]:
    """Code, separator and text of one line."""
    match = _LINE.fullmatch(line)
    if match is None:
        raise WireError(Failure.GARBAGE, "not an SMTP reply: " + line[:80].decode("ascii", "replace"))
    code, separator, text = match.groups(b"")
    return int(code), separator.decode(), text.decode("utf-8", "replace")


@lru_cache(maxsize=1024)
def parse_reply(raw: bytes) -> Reply:
    """One reply of one or more lines, without the last line end. Raises WireError (garbage).

    Servers repeat a handful of replies, so a small memory of them saves most of the work.
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
