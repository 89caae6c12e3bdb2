"""Why an entry is not written. Each is raised at the call that is wrong, never later."""


class EntryError(Exception):
    """The base of these errors."""


class UnknownUser(EntryError):
    """Notifier has no row for this person."""


class Erased(UnknownUser):
    """This person was erased: notifier keeps nothing of them but their id, and mirrors no change of theirs."""


class NoAddress(EntryError):
    """This person has no address, or one that no email can be sent to."""


class UnknownKind(EntryError):
    """There is no kind of email with this name, or only campaigns send it."""


class DataRefused(EntryError):
    """The kind's schema refuses the data. The message names the fields, not their values."""

    #: The place of each mistake in the data, and pydantic's name of it.
    places: tuple[tuple[tuple[int | str, ...], str], ...] = ()


class KeyConflict(EntryError):
    """The same key was used before, with other content."""
