"""Errors that the host's own code gets. All are raised at the call that is wrong, never later."""

from notifier.entries.errors import (
    DataRefused,
    EntryError,
    Erased,
    KeyConflict,
    NoAddress,
    UnknownKind,
    UnknownUser,
)

#: The base of these errors.
EmbeddingError = EntryError

__all__ = [
    "DataRefused",
    "DuringFlush",
    "EmbeddingError",
    "Erased",
    "KeyConflict",
    "ManyGone",
    "NoAddress",
    "NoSession",
    "SetupError",
    "UnknownKind",
    "UnknownUser",
]


class SetupError(EntryError):
    """Notifier cannot start in this application; the message says what to change."""


class NoSession(EntryError):
    """It is not known which session to use, or notifier does not watch it."""


class ManyGone(EntryError):
    """`sync_users` would detach many people, which the caller must allow."""


class DuringFlush(EntryError):
    """Called from a flush event of the host, where no row can be written."""
