"""The recording mail server of the fault runs: it logs every event, and misbehaves on demand.

    python -m bench.faults.sink --log sink.log --delay-ms 4

Prints "listening on PORT". Takes one JSON object a line on its standard input, which changes its conduct
(see `Conduct`), and prints "ok". SIGUSR1: record how many emails are being sent now. Ends with its input.
Every line of its log is one event; times are seconds of the monotonic clock, which all processes share:

    S session time                              a connection was accepted
    B email session recipient time              the first byte of a body came in
    A email session message-id recipient time   the final dot came in: the email is accepted in any case
    R email time                                the reply to the final dot was sent
    X session recipient code time               a recipient was refused, at RCPT or after the final dot
    E session quit|cut|reset time               the connection ended; reset: the other side died with replies unread
    K count time                                bodies begun and not yet answered (SIGUSR1)
"""

import argparse
import heapq
import itertools
import json
import os
import re
import selectors
import signal
import socket
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

_EHLO = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 100000000\r\n"
_OK = b"250 2.0.0 Ok\r\n"
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


@dataclass
class Conduct:
    """The behaviour of the server; the fields are the keys of the JSON that changes it."""

    #: Seconds before the reply to a final dot, instead of the usual delay.
    eod_delay: float | None = None
    #: The answer to every RCPT; empty: accept.
    rcpt: str = ""
    #: Recipient -> the answer to its RCPT.
    refuse: dict[str, str] = field(default_factory=dict)
    #: Domain -> the answer to the final dot of its emails.
    eod: dict[str, str] = field(default_factory=dict)
    #: Accept connections and never answer.
    silent: bool = False
    #: Seconds between two bytes of a reply; 0: whole replies.
    drip: float = 0.0


class Client:
    """One connection."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.data = b""
        self.recipient = ""
        self.in_body = False
        #: The email whose body is coming in; None before its first byte.
        self.mail: int | None = None
        #: Its emails that are begun and not yet answered.
        self.on_wire: set[int] = set()
        self.quit = False
        #: No reply is sent before this time, so that replies keep their order.
        self.free_at = 0.0


class Sink:
    """The server; `run` returns when its standard input ends."""

    def __init__(self, log: Path, delay: float) -> None:
        """Create it. `delay`: seconds before each reply."""
        self._delay = delay
        self._conduct = Conduct()
        self._log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._lines: list[str] = []
        self._later: list[tuple[float, int, Client, bytes, int | None]] = []
        self._order = itertools.count()
        self._sessions, self._mails = itertools.count(1), itertools.count(1)
        self._on_wire: set[int] = set()
        self._running = True
        self._selector = selectors.DefaultSelector()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._obey)
        self.port: int = self._listener.getsockname()[1]

    def run(self) -> None:
        """Serve."""
        while self._running:
            pause = max(0.0, self._later[0][0] - time.monotonic()) if self._later else 0.2
            for key, _ in self._selector.select(min(0.2, pause)):
                if isinstance(key.data, Client):
                    self._read(key.data)
                else:
                    key.data()
            self._flush()
            self._send_what_is_due()
            self._flush()

    def count(self, *_: object) -> None:
        """Record how many emails are being sent now. A signal handler."""
        self._note("K", len(self._on_wire))

    def _note(self, *event: object) -> None:
        self._lines.append(" ".join(map(str, event)) + f" {time.monotonic():.6f}\n")

    def _flush(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            os.write(self._log, "".join(lines).encode())

    def _obey(self) -> None:
        data = os.read(sys.stdin.fileno(), 65536)
        self._running = bool(data)
        for line in data.splitlines():
            self._conduct = Conduct(**json.loads(line))
            sys.stdout.write("ok\n")
            sys.stdout.flush()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, next(self._sessions))
        self._note("S", client.number)
        self._selector.register(sock, selectors.EVENT_READ, client)
        self._answer(client, b"220 sink.example ESMTP\r\n")

    def _read(self, client: Client) -> None:
        try:
            data = client.sock.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            # The kernel closes a dead process's socket with RST if it holds unread data.
            self._close(client, "reset")
            return
        if not data:
            self._close(client)
            return
        client.data += data
        while client.data and (self._body(client) if client.in_body else self._command(client)):
            pass

    def _command(self, client: Client) -> bool:
        """Answer one command. Return False if no complete one has arrived."""
        line, end, rest = client.data.partition(b"\r\n")
        if not end:
            return False
        client.data = rest
        match line[:4].upper():
            case b"EHLO":
                self._answer(client, _EHLO)
            case b"RCPT":
                self._answer(client, self._recipient(client, line[9:-1].decode()))
            case b"DATA" if not client.recipient:
                self._answer(client, b"503 5.5.1 No valid recipients\r\n")
            case b"DATA":
                client.in_body = True
                self._answer(client, b"354 Go on\r\n")
            case b"QUIT":
                client.quit = True
                self._answer(client, b"221 2.0.0 Bye\r\n")
            case b"MAIL" | b"RSET" | b"NOOP":
                client.recipient = ""
                self._answer(client, _OK)
            case _:
                self._answer(client, b"500 5.5.2 What?\r\n")
        return True

    def _recipient(self, client: Client, address: str) -> bytes:
        refusal = self._conduct.refuse.get(address, self._conduct.rcpt)
        if not refusal:
            client.recipient = address
            return _OK
        self._note("X", client.number, address, refusal[:3])
        return refusal.encode() + b"\r\n"

    def _body(self, client: Client) -> bool:
        """Read more of a body. Return False if its end has not arrived."""
        if client.mail is None:
            client.mail = next(self._mails)
            client.on_wire.add(client.mail)
            self._on_wire.add(client.mail)
            self._note("B", client.mail, client.number, client.recipient)
        end = client.data.find(b"\r\n.\r\n")
        if end < 0:
            return False
        refusal = self._conduct.eod.get(client.recipient.rpartition("@")[2])
        if refusal:
            self._note("X", client.number, client.recipient, refusal[:3])
        else:
            found = _MESSAGE_ID.search(client.data, 0, min(end + 2, 8192))
            name = found[1].decode() if found else "-"
            self._note("A", client.mail, client.number, name, client.recipient)
        self._answer(client, refusal.encode() + b"\r\n" if refusal else _OK, client.mail)
        client.data = client.data[end + 5 :]
        client.in_body, client.mail, client.recipient = False, None, ""
        return True

    def _answer(self, client: Client, reply: bytes, mail: int | None = None) -> None:
        """Reply later. `mail`: the email, if this is the reply to its final dot."""
        if self._conduct.silent:
            return
        delay = self._delay if mail is None or self._conduct.eod_delay is None else self._conduct.eod_delay
        pieces = [reply] if not self._conduct.drip else [reply[i : i + 1] for i in range(len(reply))]
        for number, piece in enumerate(pieces, 1):
            client.free_at = max(client.free_at, time.monotonic() + delay)
            about = mail if number == len(pieces) else None
            heapq.heappush(self._later, (client.free_at, next(self._order), client, piece, about))
            client.free_at += self._conduct.drip

    def _send_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= time.monotonic():
            _, _, client, data, mail = heapq.heappop(self._later)
            if client.sock.fileno() < 0:
                continue
            try:
                client.sock.send(data)
            except OSError:
                self._close(client)
                continue
            if mail is not None:
                client.on_wire.discard(mail)
                self._on_wire.discard(mail)
                self._note("R", mail)
            if client.quit and data.startswith(b"221"):
                self._close(client)

    def _close(self, client: Client, how: str = "cut") -> None:
        if client.sock.fileno() < 0:
            return
        self._note("E", client.number, "quit" if client.quit else how)
        self._selector.unregister(client.sock)
        client.sock.close()
        self._on_wire -= client.on_wire


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="A mail server that records every event.")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--delay-ms", type=float, default=4.0)
    options = parser.parse_args()
    sink = Sink(options.log, options.delay_ms / 1000)
    signal.signal(signal.SIGUSR1, sink.count)
    sys.stdout.write(f"listening on {sink.port}\n")
    sys.stdout.flush()
    sink.run()


if __name__ == "__main__":
    main()
