"""Open and close a session: connection, greeting, TLS, login (RFC 5321, 3207, 4954)."""

import ssl
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Self

from notifier.config.settings import Settings
from notifier.smtp.classify import classify, classify_failure
from notifier.smtp.operations import READ, Connect, Conversation, Pipe, StartTls
from notifier.smtp.outcome import Decision, Failure, Outcome, Phase, Reply, Scope
from notifier.smtp.replies import WireError
from notifier.smtp.transport_config import Tls, TransportConfig, primary_config

#: Replies to EHLO that mean only that the server is too old for it (RFC 5321, section 3.2).
_NO_EHLO = (500, 502, 504)


def _untimed(phase: str, seconds: float) -> None:
    """Do nothing, for endpoints that nothing measures."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One mail server and how to connect to it. All times are in seconds."""

    host: str
    port: int
    tls: Tls
    ehlo_name: str
    timeouts: dict[Phase, float]
    #: The limit for a whole attempt, over all phases.
    total: float
    context: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    #: Called with a phase (connect, mail or eod) and the seconds that it took, also if it failed.
    timed: Callable[[str, float], None] = field(default=_untimed, repr=False, compare=False)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Build the endpoint of the MAIL_* settings. Raise OSError or ssl.SSLError for an unreadable MAIL_CA_FILE."""
        return cls.from_config(primary_config(settings), settings)

    @classmethod
    def from_config(cls, config: TransportConfig, settings: Settings) -> Self:
        """Build the endpoint of one transport; `settings` give the timeouts and the EHLO name.

        Raise OSError or ssl.SSLError if its `ca_file` cannot be read.
        """
        timeouts = dict.fromkeys(Phase, settings.mail_timeout_command)
        timeouts[Phase.CONNECT] = settings.mail_timeout_connect
        timeouts[Phase.BODY] = settings.mail_timeout_body
        timeouts[Phase.EOD] = settings.mail_timeout_eod
        timeouts[Phase.QUIT] = settings.mail_timeout_quit
        return cls(
            host=config.server,
            port=config.port,
            tls=config.security,
            ehlo_name=_ascii_domain(settings.sender_domain),
            timeouts=timeouts,
            total=settings.mail_timeout_total,
            context=None if config.security is Tls.NONE else _tls_context(config.ca_file),
            username=config.username,
            password=config.password,
        )


@dataclass(slots=True)
class Session:
    """The extensions of the server and the state of the connection."""

    pipelining: bool = False
    eight_bit: bool = False
    smtputf8: bool = False
    #: Largest message in bytes (RFC 1870); 0 if the server names none.
    size: int = 0
    #: Whether the server offers SIZE: only then may MAIL carry it.
    has_size: bool = False
    #: Transactions announced so far, including the present one.
    used: int = 0
    #: A transaction was abandoned half-way, so RSET must precede the next.
    dirty: bool = False
    #: The connection must be closed without another command.
    broken: bool = False
    #: That of the endpoint.
    timed: Callable[[str, float], None] = _untimed


class _Refused(Exception):
    """The session cannot be opened."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def open_session(pipe: Pipe, endpoint: Endpoint) -> Conversation[Session | Outcome]:
    """Open a session that is ready for MAIL. Return it, or the outcome for all emails that wanted it."""
    started = monotonic()
    try:
        return (yield from _open(pipe, endpoint))
    except _Refused as refused:
        return refused.outcome
    finally:
        endpoint.timed(Phase.CONNECT.value, monotonic() - started)


def close_session(pipe: Pipe) -> Conversation[None]:
    """Send QUIT and ignore the server's answer (RFC 5321, section 4.1.1.10)."""
    try:
        pipe.write(b"QUIT\r\n", Phase.QUIT)
        yield READ[Phase.QUIT]
    except WireError:
        return


def _open(pipe: Pipe, endpoint: Endpoint) -> Conversation[Session]:
    yield from _network(Phase.CONNECT, Connect())
    if endpoint.tls is Tls.IMPLICIT:
        yield from _network(Phase.STARTTLS, StartTls())
    yield from _ask(pipe, Phase.BANNER)
    offers = yield from _greet(pipe, endpoint)
    if endpoint.tls is Tls.REQUIRED:
        if "STARTTLS" not in offers:
            raise _hold(Phase.STARTTLS, "the server does not offer STARTTLS")
        yield from _ask(pipe, Phase.STARTTLS, b"STARTTLS\r\n")
        yield from _network(Phase.STARTTLS, StartTls())
        # Extensions announced in clear text must be forgotten (RFC 3207, section 4.2).
        offers = yield from _greet(pipe, endpoint)
    if endpoint.username is not None:
        yield from _log_in(pipe, endpoint, offers)
    if pipe.pending:
        # Surplus input would pass for the replies to the first email.
        raise _Refused(classify_failure(Phase.EHLO, Failure.GARBAGE, "the server sent a reply that was not asked for"))
    size = offers.get("SIZE", "").strip().split(" ", 1)[0]
    return Session(
        pipelining="PIPELINING" in offers,
        eight_bit="8BITMIME" in offers,
        smtputf8="SMTPUTF8" in offers,
        size=int(size) if size.isdecimal() else 0,
        has_size="SIZE" in offers,
        timed=endpoint.timed,
    )


def _greet(pipe: Pipe, endpoint: Endpoint) -> Conversation[dict[str, str]]:
    """Send EHLO, or HELO to a server that knows nothing else. Return the extensions offered, in upper case."""
    name = endpoint.ehlo_name.encode("ascii")
    reply = yield from _read(pipe, Phase.EHLO, b"EHLO " + name + b"\r\n")
    if reply.code in _NO_EHLO and endpoint.tls is not Tls.REQUIRED and endpoint.username is None:
        yield from _ask(pipe, Phase.EHLO, b"HELO " + name + b"\r\n")
        return {}
    _want(Phase.EHLO, reply)
    offers: dict[str, str] = {}
    for offer in reply.lines[1:]:
        # Some servers still write "AUTH=PLAIN", as a draft of 1999 had it.
        keyword, _, parameters = offer.upper().replace("=", " ", 1).partition(" ")
        offers[keyword] = f"{offers[keyword]} {parameters}" if keyword in offers else parameters
    return offers


def _log_in(pipe: Pipe, endpoint: Endpoint, offers: dict[str, str]) -> Conversation[None]:
    if endpoint.tls is Tls.NONE:
        raise _hold(Phase.AUTH, "credentials are never sent without TLS")
    username = (endpoint.username or "").encode()
    password = (endpoint.password or "").encode()
    mechanisms = offers.get("AUTH", "").split()
    if "PLAIN" in mechanisms:
        secret = b64encode(b"\0" + username + b"\0" + password)
        yield from _ask(pipe, Phase.AUTH, b"AUTH PLAIN " + secret + b"\r\n")
    elif "LOGIN" in mechanisms:
        for command in (b"AUTH LOGIN", b64encode(username), b64encode(password)):
            reply = yield from _read(pipe, Phase.AUTH, command + b"\r\n")
            if reply.code // 100 != 3:
                break
        _want(Phase.AUTH, reply)
    else:
        raise _hold(Phase.AUTH, "the server offers neither AUTH PLAIN nor AUTH LOGIN")


def _network(phase: Phase, op: Connect | StartTls) -> Conversation[None]:
    try:
        yield op
    except WireError as error:
        raise _Refused(classify_failure(phase, error.kind, error.detail)) from None


def _read(pipe: Pipe, phase: Phase, command: bytes | None = None) -> Conversation[Reply]:
    try:
        if command is not None:
            pipe.ask(command, phase)
        return (yield READ[phase])
    except WireError as error:
        raise _Refused(classify_failure(phase, error.kind, error.detail)) from None


def _ask(pipe: Pipe, phase: Phase, command: bytes | None = None) -> Conversation[None]:
    _want(phase, (yield from _read(pipe, phase, command)))


def _want(phase: Phase, reply: Reply) -> None:
    if reply.code // 100 != 2:
        raise _Refused(classify(phase, reply))


def _hold(phase: Phase, text: str) -> _Refused:
    return _Refused(Outcome(Decision.HOLD, phase, Scope.TRANSPORT, text=text))


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Build a context that verifies certificate and host name; with `ca_file`, trust that authority alone."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _ascii_domain(domain: str) -> str:
    """Return the name for EHLO: the sender's domain in A-labels, never the name of this host."""
    try:
        return domain.encode("idna").decode("ascii") or "localhost"
    except UnicodeError:
        return "localhost"
