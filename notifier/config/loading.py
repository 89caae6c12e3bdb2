"""Load settings from the environment and, in development, from the data folder of a running `./run up`."""

import fcntl
import os
import secrets
import stat
from pathlib import Path
from typing import Any

from dotenv import dotenv_values
from pydantic import ValidationError

from notifier.config.settings import ConfigError, Settings
from notifier.config.text import lines, tidied
from notifier.config.types import expanded

#: A file in a developer's data folder with the key that signs links there.
KEY_FILE = "secret.key"

#: Files in the data folder of a running `up`: the addresses that it chose, and the lock that it holds.
UP_ENV, UP_LOCK = "up.env", "up.lock"


def load_settings(form: type[Settings] = Settings, **overrides: Any) -> Settings:
    """Return the settings from the environment (and, in development, from a running `./run up`).

    Raise ConfigError with one line for each mistake.
    """
    data_dir = _data_dir()
    development = (os.environ.get("NOTIFIER_ENV", "").strip() or "development") == "development"
    env_file = data_dir / UP_ENV if development and up_runs(data_dir) else None
    try:
        settings = form(_env_file=env_file, **overrides)
    except ValidationError as error:
        raise ConfigError("\n".join(lines(error, Settings.model_fields))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(data_dir / UP_ENV, error) from None
    key = development_key(data_dir) if development and "secret_keys" not in settings.model_fields_set else None
    return settings.model_copy(update={"secret_keys": [key]}) if key else settings


def up_runs(data_dir: Path) -> bool:
    """Return True if an `up` with this data folder is running. One that was killed leaves its file behind."""
    try:
        with (data_dir / UP_LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _unreadable(data_dir / UP_LOCK, error) from None
    return False


def addresses_of_up(data_dir: Path) -> dict[str, str]:
    """Return the settings that a running `up` with this data folder has written, by their names; {} if none runs."""
    if not up_runs(data_dir):
        return {}
    try:
        return {name: value for name, value in dotenv_values(data_dir / UP_ENV).items() if value}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(data_dir / UP_ENV, error) from None


def make_development_key(data_dir: Path) -> None:
    """Create a random key for this data folder, once: the key in the code is known to everyone."""
    try:
        descriptor = os.open(data_dir / KEY_FILE, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32))


def _data_dir() -> Path:
    """Return NOTIFIER_DATA_DIR before anything is read there. Raise ConfigError if it cannot be a folder."""
    text = os.environ.get("NOTIFIER_DATA_DIR", "")
    try:
        folder = expanded(Path(tidied({"notifier_data_dir": text}).get("notifier_data_dir", "var")))
        if not stat.S_ISDIR(folder.stat().st_mode):
            raise ValueError("it is a file: name a folder")
    except FileNotFoundError:
        return folder
    except ValueError as error:
        raise ConfigError(f"NOTIFIER_DATA_DIR: {str(error).removeprefix('NOTIFIER_DATA_DIR: ')}") from None
    except OSError as error:
        raise ConfigError(f"NOTIFIER_DATA_DIR: the folder cannot be used: {error.strerror}") from None
    return folder


def development_key(data_dir: Path) -> str | None:
    """Return the key of this data folder; None if there is none. Raise ConfigError if it cannot be read."""
    try:
        return (data_dir / KEY_FILE).read_text().strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(data_dir / KEY_FILE, error) from None


def _unreadable(path: Path, error: OSError | UnicodeDecodeError) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return ConfigError(f"NOTIFIER_DATA_DIR: {path} cannot be read: {why}")
