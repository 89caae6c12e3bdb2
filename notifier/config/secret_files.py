"""Settings in files: `SECRET_KEYS_FILE=/run/secrets/keys` instead of `SECRET_KEYS`, for every setting.

Docker, Kubernetes and systemd (LoadCredential) hand secrets over as files. They are in no environment, which child
processes inherit and `/proc` shows.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from notifier.config.text import Mistake

#: Ends the name of the variable that names a file.
SUFFIX: Final = "_FILE"

#: Bytes of the largest file: more is no setting.
LARGEST: Final = 64 * 1024

#: Settings that decide where the others are found, so they are needed before any file is read.
NEVER_IN_FILES: Final = frozenset({"notifier_env", "notifier_data_dir"})


class FileSource(PydanticBaseSettingsSource):
    """The settings whose files the environment names."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return (value, name, whether it has parts): never any, because `__call__` reads them all."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the values by the names of the settings, and a `Mistake` for each file that cannot be used."""
        names = self.settings_cls.model_fields
        return {key: value for name in names for key, value in read(name, name.upper(), os.environ).items()}


def read(name: str, variable: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the setting `name`, if `variable` with SUFFIX names its file; {} if it does not.

    A file that cannot be used gives a `Mistake` below a name of its own.
    """
    path = environ.get(f"{variable}{SUFFIX}", "").strip()
    if not path:
        return {}
    key = f"{variable}{SUFFIX}".lower()
    if name in NEVER_IN_FILES:
        return {key: Mistake(f"is not read: set {variable} itself")}
    if environ.get(variable):
        return {key: Mistake(f"{variable} is set as well: keep one of them")}
    try:
        return {name: _content(Path(path))}
    except ValueError as error:
        return {key: Mistake(str(error))}


def _content(path: Path) -> str:
    """Return the text of the file, without the line break at its end. Raise ValueError if it cannot be used."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > LARGEST:
        raise ValueError(f"{path} is larger than {LARGEST // 1024} kB: name a file that holds the value alone")
    try:
        text = content.decode().removeprefix("\ufeff").rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8: write it again") from None
    if not text.strip():
        raise ValueError(f"{path} is empty: write the value into it")
    return text
