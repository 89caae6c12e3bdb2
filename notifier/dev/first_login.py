"""The login of a developer's first operator, kept in the data folder so that every `up` can show it."""

import os
from pathlib import Path

#: Its file: address and password, in one line. The folder is its owner's alone, as the keys in it are.
LOGIN_FILE = "operator.login"


def keep_login(data_dir: Path, email: str, password: str) -> None:
    """Store the login, readable by its owner only."""
    forget_login(data_dir)
    descriptor = os.open(data_dir / LOGIN_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{email}  {password}\n")


def first_login(data_dir: Path) -> str:
    """Return the login as the banner shows it; empty if there is none."""
    try:
        return (data_dir / LOGIN_FILE).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def forget_login(data_dir: Path) -> None:
    """Remove the login, because it no longer works."""
    (data_dir / LOGIN_FILE).unlink(missing_ok=True)
