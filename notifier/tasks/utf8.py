"""Check that text can be written as UTF-8: JSON and py-amqp let half a surrogate pair through."""

from collections.abc import Mapping
from typing import Any


def is_utf8(value: Any) -> bool:
    """Return False if a string in `value`, at any depth of lists and mappings, cannot be encoded as UTF-8."""
    rest = [value]
    while rest:
        match rest.pop():
            case str(text):
                if not _is_encodable(text):
                    return False
            case Mapping() as mapping:
                rest += [*mapping.keys(), *mapping.values()]
            case list() | tuple() as items:
                rest += items
    return True


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
