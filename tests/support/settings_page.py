"""The tables of docs/settings.md, made from the fields of `Settings`: default, what a value must be, description."""

import re
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from notifier.config.settings import Settings
from notifier.config.text import Unset, allowed

GROUPS = {group.__name__: group for group in Settings.__bases__ if group.__name__ != "BaseSettings"}
HEAD = ["| setting | default | must be | meaning |", "|---|---|---|---|"]


def with_tables(page: str) -> str:
    """Return the page with the table of each group between its markers, `<!-- NAME: begin -->` and `end`."""
    for name, group in GROUPS.items():
        between = rf"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)"
        page, found = re.subn(between, rf"\1{_escaped(table(group))}\2", page, flags=re.DOTALL)
        assert found == 1, f"the page needs one place for the table of {name}"
    return page


def table(group: type[BaseModel]) -> str:
    """Return a Markdown table with one row for each field of the group."""
    rows = [
        f"| `{name.upper()}` | {default(field)} | {allowed(field)} | {field.description} |"
        for name, field in group.model_fields.items()
    ]
    return "\n".join([*HEAD, *rows]) + "\n"


def default(field: FieldInfo) -> str:
    """Return the default as people write it. If there is none, say what counts instead."""
    value: Any = field.default
    if isinstance(value, bool):
        return "on" if value else "off"
    if value in (None, "") or isinstance(value, list):
        instead = "".join(f": {each.text}" for each in field.metadata if isinstance(each, Unset))
        return f"not set{instead}"
    return f"`{value:g}`" if isinstance(value, float) else f"`{value}`"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\")
