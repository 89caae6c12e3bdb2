"""Keys of several principals in one column.

The application that embeds us is one principal; programs that use the HTTP API act for it or for another one.
"""

from typing import Final

#: Between the name of a principal and a key: no key has it, because keys are ASCII.
_BETWEEN: Final = "→"


def in_namespace(principal: str | None, key: str) -> str:
    """Return the key as it is stored. `principal` None: the application itself, whose keys have no name before them."""
    return key if principal is None else f"{principal}{_BETWEEN}{key}"


def without_namespace(stored: str) -> str:
    """Return the key as its principal gave it."""
    return stored.partition(_BETWEEN)[2] or stored
