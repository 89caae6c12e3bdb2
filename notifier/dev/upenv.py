"""`<data dir>/up.env`: lets commands in a second shell find the running stack."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from notifier.config.loading import UP_ENV


def up_env_path(data_dir: Path) -> Path:
    """Return the path that notifier.config.loading reads in development."""
    return data_dir / UP_ENV


@contextmanager
def up_env(data_dir: Path, values: Mapping[str, str]) -> Iterator[None]:
    """Keep the file while the stack runs, readable by its owner only: URLs may hold passwords."""
    path = up_env_path(data_dir)
    draft = path.with_suffix(".env.new")
    draft.unlink(missing_ok=True)
    text = "".join(f"{name}={_quoted(value)}\n" for name, value in sorted(values.items()))
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    draft.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
