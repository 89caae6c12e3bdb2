"""A lock, so that only one `up` uses a data folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from notifier.config.loading import UP_LOCK

#: A process that looks whether an `up` runs holds the lock for a moment: attempts, and seconds between two of them.
ATTEMPTS, PAUSE = 5, 0.05


class InUseError(Exception):
    """Another `up` uses this folder. The text names its process."""


@contextmanager
def data_lock(data_dir: Path) -> Iterator[None]:
    """Lock the folder until this process ends. The kernel releases the lock even after kill -9."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / UP_LOCK).open("a+") as file:
        if not _is_locked(file):
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise InUseError(
                f"`up` is already running with the data in {data_dir} (process {owner}). "
                "Stop it first, or choose another folder: --data-dir DIR"
            )
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _is_locked(file: IO[str]) -> bool:
    """Lock the file. Return False if another process keeps it."""
    for attempt in range(ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < ATTEMPTS - 1:
                time.sleep(PAUSE)
        else:
            return True
    return False
