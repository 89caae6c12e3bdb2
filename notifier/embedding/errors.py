"""Errors that the host's own code gets. All are raised at the call that is wrong, never later."""


class EmbeddingError(Exception):
    """The base of these errors."""


class SetupError(EmbeddingError):
    """Notifier cannot start in this application; the message says what to change."""


class NoSession(EmbeddingError):
    """It is not known which session to use, or notifier does not watch it."""


class UnknownUser(EmbeddingError):
    """Notifier has no row for this person."""


class Erased(UnknownUser):
    """This person was erased: notifier keeps nothing of them but their id, and mirrors no change of theirs."""


class NoAddress(EmbeddingError):
    """This person has no address, or one that no email can be sent to."""


class ManyGone(EmbeddingError):
    """`sync_users` would detach many people, which the caller must allow."""


class UnknownKind(EmbeddingError):
    """There is no kind of email with this name, or only campaigns send it."""


class DataRefused(EmbeddingError):
    """The kind's schema refuses the data. The message names the fields, not their values."""


class KeyConflict(EmbeddingError):
    """The same key was used before, with other content."""


class DuringFlush(EmbeddingError):
    """Called from a flush event of the host, where no row can be written."""
