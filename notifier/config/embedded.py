"""Settings of a notifier inside another application: from the environment, and from that application's configuration.

`NOTIFIER_MAIL_SERVER` comes before the host's own `MAIL_SERVER`. What signs our links, and the database, are never
taken from settings of the host: its database reaches us as an engine.
"""

import os
from collections.abc import Iterator, Mapping
from email.utils import formataddr
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from notifier.config.loading import addresses_of_up, development_key, make_development_key
from notifier.config.secret_files import read
from notifier.config.settings import ConfigError, Settings
from notifier.config.text import lines

#: Begins the names of our settings in the host's environment and configuration.
PREFIX = "NOTIFIER_"

#: Settings that are never read from the host's setting of the same name.
#: Flask-Limiter of the host may be off, and ours on.
_OURS_ALONE = frozenset({"secret_keys", "database_url", "ratelimit_enabled"})

#: The port of `flask run`, unless FLASK_RUN_PORT names another one.
_DEVELOPMENT_PORT = "5000"

#: Settings of the mail server that an `up` gives together: a port of the host belongs to another server.
_INBOX = frozenset({"mail_server", "mail_port", "mail_use_tls", "mail_use_ssl"})


class EmbeddedSettings(Settings):
    """Settings whose database is that of the host, in any spelling that SQLAlchemy knows."""

    database_url: str = ""

    @property
    def sqlalchemy_url(self) -> str:
        """Return the URL of the host's engine. Never connect by it: see `Host.engine`."""
        return self.database_url


class SettingsUnderTest(EmbeddedSettings):
    """The settings while the host is tested: what a developer has in the environment changes no test."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource, *others: Any, **more: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read what is given alone."""
        return (init_settings,)


def load_embedded_settings(
    config: Mapping[str, Any], *, database_url: str, mount: str, data_dir: Path, testing: bool
) -> Settings:
    """Return the settings. Raise ConfigError with one line for each mistake.

    Args:
        config: The host's configuration, such as `app.config`.
        database_url: Of the host's engine, with its password.
        mount: The path below which our pages are mounted; empty if they are not.
        data_dir: The data folder, unless NOTIFIER_DATA_DIR names another one.
        testing: Whether the host is being tested, so that no email leaves the process, no environment is read, and
            no thread looks at the database beside the pages.
    """
    environ: Mapping[str, str] = {} if testing else os.environ
    read = SettingsUnderTest if testing else EmbeddedSettings
    given = dict(_given(config, environ))
    if testing:
        given.setdefault("notifier_env", "test")
        # The thread that looks beside the pages would use the host's engine while a test closes it.
        given.setdefault("status_check_interval", 0)
    given.setdefault("notifier_data_dir", data_dir)
    given["database_url"] = database_url
    given.setdefault("secret_keys", Settings.model_fields["secret_keys"].default)
    settings = _checked(read, given)
    if settings.notifier_env == "development":
        given |= _of_up(settings)
    if settings.notifier_env != "production" and not environ.get("PUBLIC_URL"):
        port = environ.get("FLASK_RUN_PORT") or _DEVELOPMENT_PORT
        given.setdefault("public_url", f"http://127.0.0.1:{port}{mount}")
    settings = _checked(read, given)
    if mount and not urlsplit(settings.public_url).path.endswith(mount):
        raise ConfigError(_named(f"PUBLIC_URL: must end in {mount}, where the pages are mounted"))
    if not settings.home_url:
        # The host's own pages begin where the mount does.
        settings = settings.model_copy(update={"home_url": settings.public_url.removesuffix(mount)})
    return _with_development_key(settings)


def _checked(read: type[EmbeddedSettings], given: Mapping[str, Any]) -> Settings:
    try:
        return read(_env_file=None, **given)
    except ValidationError as error:
        raise ConfigError("\n".join(_named(line) for line in lines(error, Settings.model_fields))) from None


def _of_up(settings: Settings) -> dict[str, str]:
    """Return what a running `flask notifier up` found, without what is set already."""
    found = {name.lower(): value for name, value in addresses_of_up(settings.notifier_data_dir).items()}
    chosen = settings.model_fields_set
    return {
        name: value
        for name, value in found.items()
        if name in Settings.model_fields and ("mail_server" if name in _INBOX else name) not in chosen
    }


def _given(config: Mapping[str, Any], environ: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Yield the settings that are set, other than by the environment variable of the same name."""
    for name in Settings.model_fields:
        plain = name.upper()
        prefixed = plain if plain.startswith(PREFIX) else PREFIX + plain
        in_file = read(name, prefixed, environ)
        if in_file and name not in in_file:
            # A file that cannot be used: its mistake has the name of the variable.
            yield from in_file.items()
        candidates = [environ.get(prefixed) or None, in_file.get(name), config.get(prefixed)]
        if name not in _OURS_ALONE:
            candidates.append(config.get(plain))
        for value in candidates:
            if value is not None:
                # Flask-Mail takes the sender as (name, address), too.
                yield name, formataddr(value) if name == "mail_default_sender" and isinstance(value, tuple) else value
                break


def _with_development_key(settings: Settings) -> Settings:
    """Return the settings with a random key of this data folder, which all processes share, if none is set."""
    if settings.notifier_env != "development" or settings.secret_keys != Settings.model_fields["secret_keys"].default:
        return settings
    folder = settings.notifier_data_dir
    try:
        folder.mkdir(parents=True, exist_ok=True)
        make_development_key(folder)
    except OSError as error:
        raise ConfigError(f"NOTIFIER_DATA_DIR: {folder} cannot be written to: {error.strerror}") from None
    key = development_key(folder)
    return settings.model_copy(update={"secret_keys": [key]}) if key else settings


def _named(line: str) -> str:
    """Return the line with the name that a host's developer sets."""
    return line if line.startswith(PREFIX) else PREFIX + line
