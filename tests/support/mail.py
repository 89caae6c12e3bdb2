"""Send emails to a scripted server, with either driver."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from notifier.config.settings import Settings
from notifier.smtp.dialogue import Envelope
from notifier.smtp.observer import NO_OBSERVER, Observer
from notifier.smtp.outcome import Outcome, Phase
from notifier.smtp.transport import Transport

#: `one`: blocking, mail by mail. `loop`: all at once, deep-pipelined where the server can.
DRIVERS = ("one", "loop")
BODY = b"From: Acme <hello@acme.example>\r\nSubject: Hello\r\n\r\nHello.\r\n"
#: Larger than what any kernel takes at once.
BIG = BODY + b"x" * 76 + b"\r\n" + (b"y" * 76 + b"\r\n") * 100_000


def envelope(key: int = 1, rcpt_to: str = "ada@example.com", data: bytes = BODY, **values: Any) -> Envelope:
    """A mail of no interest."""
    return Envelope(key, f"b+{key}@bounce.acme.example", rcpt_to, data, **values)


@contextmanager
def transport_to(
    server: Any, *, timeouts: dict[Phase, float] | None = None, total: float = 30.0, **values: Any
) -> Iterator[Transport]:
    """A transport to a scripted server. `values`: MAIL_* settings and arguments of Transport."""
    settings = {key: value for key, value in values.items() if key.startswith("mail_")}
    rest = {key: value for key, value in values.items() if not key.startswith("mail_")}
    port = getattr(server, "port", server)
    settings = {"mail_port": port, "mail_default_sender": "Acme <hello@acme.example>"} | settings
    transport = Transport(Settings(_env_file=None, **settings), **rest)
    # Only the phase in question is short: a slow machine must not time out elsewhere.
    short = dict.fromkeys(Phase, 10.0) | {Phase.QUIT: 1.0} | (timeouts or {})
    transport.endpoint = replace(transport.endpoint, timeouts=short, total=total)
    try:
        yield transport
    finally:
        transport.close()


class Watching(Observer):
    """An observer that does what a test says, and wants no batch to end."""

    def __init__(
        self,
        begin: Callable[[int], object] = lambda key: None,
        replied: Callable[[int, Outcome], object] = lambda key, outcome: None,
    ) -> None:
        self._begin, self._replied = begin, replied

    def begin(self, key: int) -> None:
        self._begin(key)

    def replied(self, key: int, outcome: Outcome) -> None:
        self._replied(key, outcome)

    def tick(self) -> None:
        """Go on."""


def deliver(
    transport: Transport, driver: str, envelopes: Iterable[Envelope], observer: Observer = NO_OBSERVER
) -> dict[int, Outcome]:
    """Hand over `envelopes`, each exactly once."""
    mails = list(envelopes)
    if driver == "one":
        pairs = [(mail.key, transport.send(mail, observer)) for mail in mails]
    else:
        pairs = list(transport.send_batch(mails, observer))
    outcomes = dict(pairs)
    assert sorted(key for key, _ in pairs) == sorted(mail.key for mail in mails)
    return outcomes


def deliver_one(
    transport: Transport, driver: str, mail: Envelope | None = None, observer: Observer = NO_OBSERVER
) -> Outcome:
    """Hand over one mail."""
    mail = mail or envelope()
    return deliver(transport, driver, [mail], observer)[mail.key]
