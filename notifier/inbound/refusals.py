"""Why a webhook is refused. The texts are for the log: they never quote the request, which may hold a secret."""


class Refused(Exception):
    """The request is not taken."""


class NotProven(Refused):
    """The sender did not prove that it is the provider: the signature, the secret or its age is wrong."""


class Unreadable(Refused):
    """The sender may be the provider, but this is not in its format."""


class TooBig(Refused):
    """The body is larger than any post of this provider. Nothing of it was looked at."""


class TryLater(Refused):
    """The proof could not be checked now, because a server did not answer. The same request may succeed later."""
