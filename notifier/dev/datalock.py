"""A lock, so that only one `up` uses a data folder."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InUseError(Exception):
    """Another `up` uses this folder. The text names its process."""


@contextmanager
def data_lock(data_dir: Path) -> Iterator[None]:
    """Lock the folder until this process ends. The kernel releases the lock even after kill -9."""
    data_dir.mkdir(parents=True, exist_ok=True)
    with (data_dir / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read().strip() or "unknown"
            raise InUseError(
                f"`up` is already running with the data in {data_dir} (process {owner}). "
                "Stop it first, or choose another folder: --data-dir DIR"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield
