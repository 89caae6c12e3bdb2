"""Check whether the mail server answers."""

import socket

from notifier.config.settings import Settings
from notifier.observability.check import HealthCheck

#: Seconds.
TIMEOUT = 5


def probe_mail_server(settings: Settings) -> HealthCheck:
    """Open a connection and wait for the first bytes of a greeting; nothing is sent."""
    where = f"{settings.mail_server}:{settings.mail_port}"
    try:
        with socket.create_connection((settings.mail_server, settings.mail_port), timeout=TIMEOUT) as connection:
            if not settings.mail_use_ssl and not connection.recv(3).startswith(b"220"):
                return HealthCheck("mail server", ok=False, detail=f"{where} answers, but not like a mail server")
    except OSError as error:
        return HealthCheck("mail server", ok=False, detail=f"{where} does not answer: {error}")
    return HealthCheck("mail server", ok=True, detail=f"{where} answers")
