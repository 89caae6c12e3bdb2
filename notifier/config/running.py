"""Where an `up` runs: a command in another folder names it, instead of saying only that there are no tables.

Each `up` keeps a file with the path of its data in the person's state folder (XDG Base Directory Specification), for as
long as it runs. It is only a help: if the folder cannot be written to, nothing else changes.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from notifier.config.loading import up_runs
from notifier.config.settings import ConfigError

#: Files that are looked at: those of killed ones may be left behind.
MOST = 50


def _folder() -> Path | None:
    """Return the folder of the files; None if this person has no home."""
    state = os.environ.get("XDG_STATE_HOME", "")
    try:
        base = Path(state) if os.path.isabs(state) else Path.home() / ".local" / "state"
    except RuntimeError:
        return None
    return base / "notifier" / "up"


@contextmanager
def known_to_others(data_dir: Path) -> Iterator[None]:
    """Let other commands of this person find this `up`."""
    folder = _folder()
    path = None if folder is None else folder / hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    if path is not None:
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_bytes(os.fsencode(data_dir))
    try:
        yield
    finally:
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def running() -> list[Path]:
    """Return the data folders of the `up`s of this person that run now, in order."""
    folder = _folder()
    found = []
    if folder is not None:
        with suppress(OSError):
            for path in sorted(folder.iterdir())[:MOST]:
                found.append(Path(os.fsdecode(path.read_bytes())))
    return sorted({data_dir for data_dir in found if _runs(data_dir)})


def _runs(data_dir: Path) -> bool:
    try:
        return up_runs(data_dir)
    except ConfigError:
        return False
