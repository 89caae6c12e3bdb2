"""Emails in files: a single one, an mbox, a folder, a Maildir. At most MAX_READ bytes of each are kept in memory."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from notifier.bounces.parts import MAX_BYTES

#: Bytes of one email that are read; twice what is looked at, because CRLF may make it that long.
MAX_READ = 2 * MAX_BYTES
#: The error of a pipe, a device or a link.
NO_FILE = "not a file"
#: Bytes of one line of an mbox that are read at once.
_LINE = 64 * 1024
#: The line before each email of an mbox: the sender and a date as asctime(3) writes it, perhaps with a time zone.
_SEPARATOR = re.compile(rb"From \S{1,320} {1,4}\w{3} \w{3} [ \d]\d \d\d:\d\d(?::\d\d)?[\w +-]{0,20} \d{4}\b")


class Found(NamedTuple):
    """An email with the name of its file, and its number if it is in an mbox; or the reason why there is none."""

    name: str
    data: bytes = b""
    error: str = ""


def emails_in(path: Path) -> Iterator[Found]:
    """Yield the emails in a file, an mbox or a folder; of a Maildir those in new/ and cur/, in the order of names."""
    try:
        if not path.is_dir():
            yield from _in_file(path)
            return
        maildir = [path / each for each in ("new", "cur") if (path / each).is_dir()]
        names = [each for folder in maildir or [path] for each in sorted(folder.iterdir())]
    except OSError as error:
        yield Found(str(path), error=error.strerror or str(error))
        return
    for each in names:
        # A folder of a folder is another mailbox, and a name with a dot is not part of this one.
        if not each.name.startswith(".") and not each.is_dir():
            yield from emails_in(each)


def new_in(maildir: Path) -> Iterator[Found]:
    """Yield the emails in new/ of a Maildir, in any order. They may be moved meanwhile, and more may come.

    A Maildir with a hundred thousand emails takes as little memory as one with ten. Links, pipes and devices are no
    emails: each has an error.
    """
    with os.scandir(maildir / "new") as entries:
        for entry in entries:
            if entry.name.startswith(".") or entry.is_dir(follow_symlinks=False):
                continue
            try:
                with open(entry.path, "rb", opener=_without_waiting) as file:
                    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                        yield Found(entry.path, file.read(MAX_READ))
                    else:
                        yield Found(entry.path, error=NO_FILE)
            except FileNotFoundError:
                continue  # another reader was faster
            except OSError as error:
                link = error.errno == errno.ELOOP
                yield Found(entry.path, error=NO_FILE if link else error.strerror or str(error))


def _without_waiting(path: str, flags: int) -> int:
    """Open a file. Opening a pipe would wait for a writer, and a link may lead to any file of this machine."""
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW)


def put_away(maildir: Path, path: str) -> None:
    """Move an email of a Maildir from new/ to cur/, marked as seen. Another reader may have moved it."""
    name = Path(path).name
    with suppress(FileNotFoundError):
        Path(path).rename(maildir / "cur" / (name if ":2," in name else f"{name}:2,S"))


def _in_file(path: Path) -> Iterator[Found]:
    # A FIFO or a device would wait for ever.
    if not path.is_file() and path.exists():
        yield Found(str(path), error=NO_FILE)
        return
    with path.open("rb") as file:
        yield from emails_of(str(path), file)


def emails_of(name: str, file: BinaryIO) -> Iterator[Found]:
    """Yield the emails in an open file. If there are several, they are named `NAME#1`, `NAME#2` and so on."""
    begin = file.readline(_LINE)
    if not _SEPARATOR.match(begin):
        yield Found(name, begin + file.read(max(0, MAX_READ - len(begin))))
        return
    first, number = next(messages := _messages(begin, file)), 1
    for each in messages:
        if number == 1:
            yield Found(f"{name}#1", first)
        number += 1
        yield Found(f"{name}#{number}", each)
    if number == 1:
        yield Found(name, first)


def _messages(line: bytes, file: BinaryIO) -> Iterator[bytes]:
    """Yield the emails of an mbox (RFC 4155): a line `From ` after an empty line begins the next one."""
    kept, size, blank = [line], len(line), False
    while line := file.readline(_LINE):
        if blank and _SEPARATOR.match(line):
            yield b"".join(kept)[:MAX_READ]
            kept, size = [], 0
        if size < MAX_READ:
            kept.append(line)
            size += len(line)
        blank = line in {b"\n", b"\r\n"}
    yield b"".join(kept)[:MAX_READ]
