"""One connection of the scripted mail server (RFC 5321, 3207 and 4954): read commands, act as the script says."""

import re
import select
import socket
import struct
import time
from base64 import b64decode
from typing import TYPE_CHECKING

from notifier.testing.smtp_script import DEFAULTS, Accepted, Action, Command, Session, first_reply, wire_form

if TYPE_CHECKING:
    from notifier.testing.smtp_server import SmtpServer


class Gone(Exception):
    """The connection is over."""


class Connection:
    """The server's side of one connection."""

    def __init__(self, server: "SmtpServer", sock: socket.socket, session: Session) -> None:
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
        text = first_reply(action) or default or DEFAULTS["eod"]
        if session.rcpt_to and text[0] not in "45":
            self.store(data, replied=text[0].isdecimal())
        self.pause()
        with self.server.lock:
            # Before the reply: a client that has read it must find the email no longer counted.
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
        raise Gone

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
        """Act as the script says, else send the default. Return the first reply sent."""
        action = self.server.action(phase, self.session)
        action = action if action is not None else default or DEFAULTS[phase]
        self.pause()
        self.act(action, phase, default)
        return first_reply(action) or ""

    def act(self, action: Action, phase: str, default: str | None = None) -> None:
        for step in action if isinstance(action, tuple) else (action,):
            special = getattr(self, f"act_{step.lower()}", None) if step else None
            if special is not None:
                special(default or DEFAULTS.get(phase, "250 Ok"))
            elif step is not None:
                self.send(step)

    def act_drop(self, _: str) -> None:
        raise Gone

    def act_rst(self, _: str) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

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
        """Read nothing, so that the client fills all buffers; notice only that it closes."""
        poller = select.poll()
        poller.register(self.sock, select.POLLRDHUP)
        while not self.server.stopping.is_set():
            if poller.poll(20):
                break
        raise Gone

    def act_drip(self, default: str) -> None:
        for byte in wire_form(default):
            self.sock.sendall(bytes([byte]))
            if self.server.stopping.wait(self.server.drip):
                raise Gone

    def act_garbage(self, _: str) -> None:
        self.sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\x00\xff\r\n")

    def pause(self) -> None:
        if self.server.delay and self.server.stopping.wait(self.server.delay):
            raise Gone

    def send(self, text: str) -> None:
        self.sock.sendall(wire_form(text))

    # --- reading ---------------------------------------------------------------------------------

    def receive(self) -> None:
        data = self.sock.recv(65536)
        if not data:
            raise Gone
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
        """Return the email, dots unstuffed."""
        while not self.buffer:
            self.receive()
        with self.server.lock:
            self.body_open = True
            self.server.on_the_wire += 1
            self.server.max_on_the_wire = max(self.server.max_on_the_wire, self.server.on_the_wire)
        action = self.server.action("body", self.session)
        if action is not None:
            self.act(action, "body")
        # It begins with the line end of DATA, so that a lone dot ends an empty email.
        received, searched = b"\r\n" + self.buffer, 0
        self.buffer = b""
        while (end := received.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(received) - 4)
            data = self.sock.recv(1 << 20)
            if not data:
                raise Gone
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
