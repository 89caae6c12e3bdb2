"""A child's log file. If it cannot be written, the child keeps running and the console still shows its lines."""

import os
from pathlib import Path

#: Bytes above which `up` starts a new log file and keeps the old one as a copy.
MAX_LOG = 5 * 1024 * 1024


class LogFile:
    """A file to append bytes to. It raises no error of the file system."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet: the folder may be created later."""
        self._path = path
        self._fd: int | None = None
        #: Bytes lost since the last successful write; None while writing works.
        self._lost: int | None = None
        self._rotated = False

    def write(self, chunk: bytes) -> str | None:
        """Append `chunk`. Return a line for the console the first time this fails, and None otherwise."""
        try:
            descriptor = self._open()
            if self._lost is not None:
                note = f"\n[{self._lost} bytes are missing here: they could not be written]\n"
                self._append(descriptor, note.encode())
                self._lost = None
            self._append(descriptor, chunk)
        except OSError as error:
            first, self._lost = self._lost is None, (self._lost or 0) + len(chunk)
            self.close()
            return f"[{self._path} cannot be written: {error.strerror}. Output appears here only]" if first else None
        return None

    def close(self) -> None:
        """Close the file; a later write opens it again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _open(self) -> int:
        if self._fd is not None and not self._is_in_place(self._fd):
            self.close()
        if self._fd is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._rotated and self._path.exists() and self._path.stat().st_size > MAX_LOG:
                self._path.replace(self._path.with_suffix(".log.1"))
            self._rotated = True
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return self._fd

    def _is_in_place(self, descriptor: int) -> bool:
        """Return False once the file of `descriptor` was moved or deleted, because writes to it would be lost."""
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(descriptor))

    @staticmethod
    def _append(descriptor: int, data: bytes) -> None:
        """Write all bytes: a full volume may take a part and refuse the rest."""
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
