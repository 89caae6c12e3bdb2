"""Settings for tests: those that are given, and none of the environment."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError
from pydantic_settings import PydanticBaseSettingsSource

from notifier.config.settings import ConfigError, Settings
from notifier.config.text import lines


class GivenSettings(Settings):
    """Settings that read neither the environment nor a file. That also saves 5 ms each time."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: Any, init_settings: PydanticBaseSettingsSource, *_: Any, **others: Any
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the arguments of the constructor as the only source."""
        return (init_settings,)


@cache
def _data() -> TemporaryDirectory[str]:
    # Never the `var` of a checkout, which belongs to the installation that runs there. Removed when the process ends.
    return TemporaryDirectory(prefix="notifier-tests-")


def make_settings(**values: Any) -> Settings:
    """Build settings. Without `values`: no rate limits, no waiting in forms, no DNS, no looks beside pages.

    Data is in a temporary folder.

    Raise TypeError for a name that is no setting, and ConfigError with one line for each value that cannot be used.
    """
    defaults: dict[str, Any] = {
        "notifier_env": "test",
        "public_url": "http://notifier.test",
        "secret_keys": ["test-key-that-is-long-enough-for-everything"],
        "ratelimit_enabled": False,
        "form_answer_step": 0,
        "mail_mx_ttl": 0,
        "status_check_interval": 0,
        "notifier_data_dir": Path(_data().name),
    }
    unknown = values.keys() - Settings.model_fields.keys()
    if unknown:
        raise TypeError(f"there is no setting {', '.join(sorted(unknown))}; docs/settings.md lists them, in upper case")
    try:
        return GivenSettings(**defaults | values)
    except ValidationError as error:
        raise ConfigError("\n".join(lines(error, Settings.model_fields))) from None
