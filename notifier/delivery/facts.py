"""Facts: what a row learns about the email that was tried."""

from typing import NamedTuple


class Facts(NamedTuple):
    """The email as it went out, or was about to. None: not known, so the row keeps what it has."""

    message_id: str | None = None
    template_version: str | None = None
    transport: str | None = None


NO_FACTS = Facts()
