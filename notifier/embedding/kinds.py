"""The kinds of email of an application that embeds us: ours and its own."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from notifier.emails import KINDS, EmailKind
from notifier.embedding.errors import SetupError


def kinds_with(more: Iterable[EmailKind]) -> Mapping[str, EmailKind]:
    """Return our kinds and those of the host, by name. Raise SetupError if two have one name."""
    kinds = dict(KINDS)
    for kind in more:
        if not isinstance(kind, EmailKind):
            name = kind.__name__ if isinstance(kind, type) else repr(kind)
            raise SetupError(f"kinds= takes instances of EmailKind: write {name}() instead of {name}")
        if kind.name in kinds:
            raise SetupError(f"there are two kinds of email with the name {kind.name!r}")
        kinds[kind.name] = kind
    return MappingProxyType(kinds)
