"""A mail server that does what a script says, over real sockets on loopback.

    with SmtpServer({"rcpt": "550 5.1.1 User unknown"}) as server:
        ...  # server.host, server.port
    assert server.accepted == []

A script maps a phase (banner, ehlo, helo, starttls, auth, mail, rcpt, data, body, eod, rset, quit, and
connect) to an action, to a list of actions for its 1st, 2nd, n-th occurrence on the whole server
(None and what lies behind the end: the default), or to a function of the Session. An action is

    "250 2.0.0 Ok"        a reply; "\\n" in it makes it a reply of more lines, "\\r\\n" two replies at once
    "DROP" / "RST"        close the connection in order / with a reset
    "FIN_WITHOUT_REPLY"   close our side only, read on
    "HANG"                say nothing more until the other side goes
    "DRIP"                send the default reply, one byte each `drip` seconds
    "garbage"             something that is no SMTP
    "DROP_AFTER_1KB"      in phase body: read 1 kB of it, then reset
    ("250 Ok", "DROP")    one after the other

`rcpt` names actions for single recipients, `connections` a script for the n-th connection (it goes
before the common one).
"""

import contextlib
import re
import select
import socket
import ssl
import struct
import threading
import time
from base64 import b64decode
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Self

Action = str | tuple[str, ...] | None
Step = Action | list[Action] | Callable[["Session"], Action]
Script = Mapping[str, Step]

EVERYTHING = ("PIPELINING", "8BITMIME", "SMTPUTF8", "SIZE 100000000", "ENHANCEDSTATUSCODES")
DEFAULTS = {
    "banner": "220 mx.example ESMTP",
    "helo": "250 mx.example",
    "starttls": "220 2.0.0 Go ahead",
    "mail": "250 2.1.0 Ok",
    "rcpt": "250 2.1.5 Ok",
    "data": "354 End data with <CR><LF>.<CR><LF>",
    "eod": "250 2.0.0 Ok: queued",
    "rset": "250 2.0.0 Ok",
    "noop": "250 2.0.0 Ok",
    "quit": "221 2.0.0 Bye",
}


class _Gone(Exception):
    """This connection is over."""


@dataclass(frozen=True)
class Command:
    """One line that a client sent; `tls` tells whether it came encrypted."""

    session: int
    line: str
    tls: bool


@dataclass(frozen=True)
class Accepted:
    """One message that the server took. `replied` is False where the script let no reply follow."""

    session: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    time: float
    replied: bool
    #: Parameters of MAIL, such as SIZE=1234, in upper case.
    parameters: tuple[str, ...] = ()


@dataclass
class Session:
    """What the server knows of one connection, for scripts that decide by it."""

    number: int
    #: How many MAIL commands this connection has sent.
    mails: int = 0
    mail_from: str | None = None
    parameters: tuple[str, ...] = ()
    rcpt_to: list[str] = field(default_factory=list)
    #: The recipient of the RCPT in question.
    recipient: str = ""
    #: What the client had sent beyond the command or the body in question.
    ahead: bytes = b""
    tls: bool = False
    authenticated: bool = False


class SmtpServer:
    """The server; a context manager. All that it saw is kept until it is forgotten."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        ehlo: Sequence[str] = EVERYTHING,
        rcpt: Mapping[str, Action] | None = None,
        connections: Sequence[Script] = (),
        tls: ssl.SSLContext | None = None,
        implicit: bool = False,
        users: Mapping[str, str] | None = None,
        delay: float = 0.0,
        drip: float = 0.05,
        receive_buffer: int | None = None,
        port: int = 0,
    ) -> None:
        """`tls` makes STARTTLS be offered, or with `implicit` spoken from the first byte.

        `delay`: seconds before each reply. `receive_buffer`: bytes that the kernel takes for us.
        """
        self.script = dict(script or {})
        self.ehlo = tuple(ehlo)
        self.rcpt = dict(rcpt or {})
        self.connections = list(connections)
        self.tls, self.implicit = tls, implicit
        self.users = users
        self.delay, self.drip = delay, drip
        self.accepted: list[Accepted] = []
        self.commands: list[Command] = []
        self.sessions = 0
        self.open_sessions = 0
        self.max_open_sessions = 0
        #: Mails whose body has begun and whose reply has not been sent.
        self.on_the_wire = 0
        self.max_on_the_wire = 0
        self.lock = threading.Lock()
        self.stopping = threading.Event()
        self._seen: Counter[str] = Counter()
        self._threads: list[threading.Thread] = []
        self._sockets: set[socket.socket] = set()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.bind(("127.0.0.1", port))
        self._listener.listen(512)
        self.host, self.port = self._listener.getsockname()[:2]

    def __enter__(self) -> Self:
        thread = threading.Thread(target=self._accept, name="smtp-server", daemon=True)
        self._threads.append(thread)
        thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """End all connections and threads, within 2 s."""
        self.stopping.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self.lock:
            sockets = list(self._sockets)
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 2
        for thread in list(self._threads):
            thread.join(max(0, deadline - time.monotonic()))

    def lines(self, verb: str = "") -> list[str]:
        """The commands that start with `verb`, in the order of their arrival."""
        with self.lock:
            return [command.line for command in self.commands if command.line.upper().startswith(verb)]

    def action(self, phase: str, session: Session) -> Action:
        """What the script wants now; None for the default."""
        if phase == "rcpt" and session.recipient in self.rcpt:
            return self.rcpt[session.recipient]
        scripts = [self.script]
        if session.number <= len(self.connections):
            scripts.insert(0, dict(self.connections[session.number - 1]))
        with self.lock:
            self._seen[phase] += 1
            occurrence = self._seen[phase]
        for script in scripts:
            step = script.get(phase)
            if isinstance(step, list):
                step = step[occurrence - 1] if occurrence <= len(step) else None
            elif callable(step):
                step = step(session)
            if step is not None:
                return step
        return None

    def _accept(self) -> None:
        for number in count(1):
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            with self.lock:
                self.sessions = number
                self._sockets.add(sock)
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads = [each for each in self._threads if each.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        connection = _Connection(self, sock, Session(number))
        with self.lock:
            self.open_sessions += 1
            self.max_open_sessions = max(self.max_open_sessions, self.open_sessions)
        try:
            connection.talk()
        except (_Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open_sessions -= 1
                self.on_the_wire -= connection.body_open
                self._sockets.discard(sock)
            connection.sock.close()
            sock.close()


class _Connection:
    """One client."""

    def __init__(self, server: SmtpServer, sock: socket.socket, session: Session) -> None:
        self.server, self.sock, self.session = server, sock, session
        self.buffer = b""
        self.body_open = False

    def talk(self) -> None:
        server = self.server
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if (action := server.action("connect", self.session)) is not None:
            self.act(action, "banner")
        if server.tls is not None and server.implicit:
            self.start_tls()
        self.reply("banner")
        while True:
            line = self.read_line()
            with server.lock:
                server.commands.append(Command(self.session.number, line, self.session.tls))
            verb = line.split(" ", 1)[0].split(":", 1)[0].upper()
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                self.send("500 5.5.2 Command unrecognized")
            else:
                handler(line)

    # --- commands --------------------------------------------------------------------------------

    def do_ehlo(self, line: str) -> None:
        offers = list(self.server.ehlo)
        if self.server.tls is not None and not self.session.tls:
            offers.append("STARTTLS")
        if self.server.users is not None and not any(offer.startswith("AUTH") for offer in offers):
            offers.append("AUTH PLAIN LOGIN")
        self.reply("ehlo", "\n".join(f"250 {text}" for text in ["mx.example greets you", *offers]))

    def do_helo(self, line: str) -> None:
        self.reply("helo")

    def do_starttls(self, line: str) -> None:
        if self.server.tls is None and self.server.script.get("starttls") is None:
            self.send("502 5.5.1 Not offered")
        elif self.reply("starttls").startswith("220"):
            self.start_tls()

    def do_auth(self, line: str) -> None:
        _, mechanism, *initial = line.split(" ")
        if mechanism.upper() == "LOGIN":
            self.send("334 VXNlcm5hbWU6")
            name = self.read_secret()
            self.send("334 UGFzc3dvcmQ6")
            password = self.read_secret()
        else:
            secret = b64decode(initial[0]).decode() if initial else self.ask_secret()
            _, name, password = secret.split("\0")
        users = self.server.users or {}
        good = name in users and users[name] == password
        text = self.reply("auth", "235 2.7.0 Ok" if good else "535 5.7.8 Credentials invalid")
        self.session.authenticated = text.startswith("235")

    def do_mail(self, line: str) -> None:
        session = self.session
        match = re.match(r"MAIL FROM:<(.*?)>(.*)", line, re.IGNORECASE)
        session.mails += 1
        session.mail_from, session.rcpt_to = None, []
        if self.reply("mail", None if match else "501 5.5.4 Syntax").startswith("2") and match:
            session.mail_from = match[1]
            session.parameters = tuple(match[2].upper().split())

    def do_rcpt(self, line: str) -> None:
        match = re.match(r"RCPT TO:<(.*?)>", line, re.IGNORECASE)
        self.session.recipient = match[1] if match else ""
        default = None if self.session.mail_from is not None else "503 5.5.1 Need MAIL first"
        if self.reply("rcpt", default).startswith("2"):
            self.session.rcpt_to.append(self.session.recipient)

    def do_data(self, line: str) -> None:
        session = self.session
        default = None if session.rcpt_to else "554 5.5.1 No valid recipients"
        if not self.reply("data", default).startswith("3"):
            return
        data = self.read_body()
        default = None if session.rcpt_to else "554 5.5.1 No valid recipients"
        action = self.server.action("eod", session)
        text = _first(action) or default or DEFAULTS["eod"]
        if session.rcpt_to and text[0] not in "45":
            self.store(data, replied=text[0].isdecimal())
        self.pause()
        with self.server.lock:
            # Before the reply: whoever has read it finds us no longer counting this mail.
            self.server.on_the_wire -= 1
            self.body_open = False
        self.act(text if action is None else action, "eod", default)
        session.mail_from, session.rcpt_to = None, []

    def do_rset(self, line: str) -> None:
        self.session.mail_from, self.session.rcpt_to = None, []
        self.reply("rset")

    def do_noop(self, line: str) -> None:
        self.reply("noop")

    def do_quit(self, line: str) -> None:
        self.reply("quit")
        raise _Gone

    def store(self, data: bytes, *, replied: bool) -> None:
        session = self.session
        assert session.mail_from is not None or self.server.script.get("mail")
        message = Accepted(
            session.number, session.mail_from or "", tuple(session.rcpt_to), data, time.time(), replied,
            session.parameters,
        )  # fmt: skip
        with self.server.lock:
            self.server.accepted.append(message)

    # --- replies ---------------------------------------------------------------------------------

    def reply(self, phase: str, default: str | None = None) -> str:
        """Do what the script says, else the default. The first reply sent, for whoever must know it."""
        action = self.server.action(phase, self.session)
        action = action if action is not None else default or DEFAULTS[phase]
        self.pause()
        self.act(action, phase, default)
        return _first(action) or ""

    def act(self, action: Action, phase: str, default: str | None = None) -> None:
        for step in action if isinstance(action, tuple) else (action,):
            special = getattr(self, f"act_{step.lower()}", None) if step else None
            if special is not None:
                special(default or DEFAULTS.get(phase, "250 Ok"))
            elif step is not None:
                self.send(step)

    def act_drop(self, _: str) -> None:
        raise _Gone

    def act_rst(self, _: str) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise _Gone

    def act_drop_after_1kb(self, _: str) -> None:
        while len(self.buffer) < 1024:
            self.receive()
        self.act_rst("")

    def act_fin_without_reply(self, _: str) -> None:
        self.sock.shutdown(socket.SHUT_WR)
        while True:
            self.receive()
            self.buffer = b""

    def act_hang(self, _: str) -> None:
        """Nothing is read, so that the other side meets full buffers; only its going is noticed."""
        poller = select.poll()
        poller.register(self.sock, select.POLLRDHUP)
        while not self.server.stopping.is_set():
            if poller.poll(20):
                break
        raise _Gone

    def act_drip(self, default: str) -> None:
        for byte in _wire_form(default):
            self.sock.sendall(bytes([byte]))
            if self.server.stopping.wait(self.server.drip):
                raise _Gone

    def act_garbage(self, _: str) -> None:
        self.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\x00\xff\r\n")

    def pause(self) -> None:
        if self.server.delay and self.server.stopping.wait(self.server.delay):
            raise _Gone

    def send(self, text: str) -> None:
        self.sock.sendall(_wire_form(text))

    # --- reading ---------------------------------------------------------------------------------

    def receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise _Gone
        self.buffer += data

    def read_line(self) -> str:
        while b"\r\n" not in self.buffer:
            self.receive()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        self.session.ahead = self.buffer
        return line.decode("utf-8", "surrogateescape")

    def read_secret(self) -> str:
        return b64decode(self.read_line()).decode()

    def ask_secret(self) -> str:
        self.send("334 ")
        return self.read_secret()

    def read_body(self) -> bytes:
        """The message, dots unstuffed."""
        while not self.buffer:
            self.receive()
        with self.server.lock:
            self.body_open = True
            self.server.on_the_wire += 1
            self.server.max_on_the_wire = max(self.server.max_on_the_wire, self.server.on_the_wire)
        action = self.server.action("body", self.session)
        if action is not None:
            self.act(action, "body")
        # Preceded by the end of the line of DATA, so that a lone dot ends an empty message.
        received, searched = b"\r\n" + self.buffer, 0
        self.buffer = b""
        while (end := received.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(received) - 4)
            data = self.sock.recv(1 << 20)
            if not data:
                raise _Gone
            received += data
        self.buffer = self.session.ahead = received[end + 5 :]
        return received[: end + 2].replace(b"\r\n.", b"\r\n")[2:]

    def start_tls(self) -> None:
        assert self.server.tls is not None
        raw = self.sock
        self.sock = self.server.tls.wrap_socket(raw, server_side=True)
        self.session.tls = True
        with self.server.lock:
            self.server._sockets.discard(raw)
            self.server._sockets.add(self.sock)


def _first(action: Action) -> str | None:
    return action[0] if isinstance(action, tuple) else action


def _wire_form(text: str) -> bytes:
    """Text of one or more lines, each with its code, as RFC 5321 (4.2.1) wants them."""
    if "\r\n" in text:
        return f"{text}\r\n".encode()
    *first, last = text.split("\n")
    lines = [f"{line[:3]}-{line[4:]}" for line in first]
    return "".join(f"{line}\r\n" for line in [*lines, last]).encode("utf-8", "surrogateescape")
