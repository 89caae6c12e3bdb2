"""Facts about the email of an attempt that its row keeps."""

from typing import NamedTuple


class Facts(NamedTuple):
    """The email as it went out or was about to. None: unknown, so the row keeps the value it has."""

    message_id: str | None = None
    template_version: str | None = None
    transport: str | None = None


NO_FACTS = Facts()
