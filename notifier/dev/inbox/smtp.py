"""The SMTP server of the inbox: it accepts and keeps everything, and never sends."""

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from notifier.dev.inbox.store import Inbox, Mail, clean

#: The SIZE that the server announces (RFC 1870), in bytes.
MAX_MAIL = 25 * 1024 * 1024
HOSTNAME = "inbox.localhost"


class Receiver:
    """aiosmtpd's handler."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Announce PIPELINING (RFC 2920), which works because commands are read one by one from a stream."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Store the email."""
        data = envelope.original_content or b""
        mail = Mail(
            sender=clean(envelope.mail_from or "").removeprefix("<>"),  # A bounce has no sender,
            recipients=tuple(clean(recipient) for recipient in envelope.rcpt_tos),
            data=data,
            helo=clean(session.host_name or ""),
        )
        self._inbox.add(mail)
        return f"250 2.0.0 Ok: kept as {mail.id}"


async def serve_smtp(inbox: Inbox, host: str, port: int) -> asyncio.Server:
    """Start listening. The server runs as long as the event loop does."""
    receiver = Receiver(inbox)
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            receiver,
            hostname=HOSTNAME,
            ident="notifier inbox",
            data_size_limit=MAX_MAIL,
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
        ),
        host,
        port,
    )
