"""Refuse placeholders in texts that are plain: recipients would read the braces."""

import re
from collections.abc import Collection, Mapping
from typing import Any

_PLACEHOLDER = re.compile(r"\{[{%#]")

_REFUSED = (
    "Placeholders such as {{ user.name }} work in the content editor only. Save the campaign without them, then edit "
    "its content."
)


def placeholders(
    settings: Mapping[str, Any], names: Collection[str], before: Mapping[str, Any]
) -> list[tuple[str, str]]:
    """Return (path, message) for each setting in `names` that has a placeholder and differs from `before`."""
    changed = (name for name in sorted(names) if name in settings and settings[name] != before.get(name))
    return [(f"settings.{name}", _REFUSED) for name in changed if _has_one(settings[name])]


def _has_one(value: Any) -> bool:
    texts = value if isinstance(value, list | tuple) else (value,)
    return any(isinstance(text, str) and _PLACEHOLDER.search(text) for text in texts)
