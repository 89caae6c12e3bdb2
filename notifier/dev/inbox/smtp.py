"""The SMTP side of the inbox: accepts everything, keeps it, never sends."""

import asyncio

from aiosmtpd.smtp import SMTP, Envelope, Session

from notifier.dev.inbox.store import Inbox, Mail, clean

#: What the server announces as SIZE (RFC 1870), bytes.
MAX_MAIL = 25 * 1024 * 1024
HOSTNAME = "inbox.localhost"


class Receiver:
    """aiosmtpd's handler."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Announce PIPELINING (RFC 2920): commands are read from a stream, one by one, so it holds."""
        session.host_name = hostname
        return [*responses[:-1], "250-PIPELINING", responses[-1]]

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Keep the mail."""
        data = envelope.original_content or b""
        mail = Mail(
            sender=clean(envelope.mail_from or "").removeprefix("<>"),  # a bounce has no sender,
            recipients=tuple(clean(recipient) for recipient in envelope.rcpt_tos),
            data=data,
            helo=clean(session.host_name or ""),
        )
        self._inbox.add(mail)
        return f"250 2.0.0 Ok: kept as {mail.id}"


async def serve_smtp(inbox: Inbox, host: str, port: int) -> asyncio.Server:
    """Listen. The server runs as long as the event loop does."""
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
