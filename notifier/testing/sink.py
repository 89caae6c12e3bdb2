"""A fast mail server that accepts everything: the other end of benchmarks.

    python -m notifier.testing.sink --port 2525 --delay-ms 20 --log accepted.log --drop-rate 0.1 --seed 1

--delay-ms delays the replies to everything that came in at once, as a round trip would. For every email that it
accepts, it appends a line "<Message-ID> <recipient> <time>" to --log before it replies. --drop-rate is the share of
connections cut right after the final dot, whose email is kept. It prints "listening on PORT" when it is ready, and the
number of emails when SIGTERM ends it.
"""

import argparse
import os
import random
import re
import selectors
import signal
import socket
import sys
import time
from collections import deque
from pathlib import Path

EHLO = b"250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE 100000000\r\n"
OK = b"250 2.0.0 Ok\r\n"
REPLIES = {
    b"EHLO": EHLO,
    b"HELO": OK,
    b"MAIL": OK,
    b"RCPT": OK,
    b"RSET": OK,
    b"NOOP": OK,
    b"DATA": b"354 Go on\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.IGNORECASE | re.MULTILINE)


class Client:
    """One connection."""

    __slots__ = ("buffer", "closing", "in_body", "parts", "recipient", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.buffer = b""
        self.in_body = False
        self.closing = False
        self.recipient = b"-"
        self.parts: list[bytes] = []
        self.tail = b""


class Sink:
    """The server. `run` returns after a call of `stop`, such as by a signal."""

    def __init__(self, host: str, port: int, delay: float, log: Path | None, drop_rate: float, seed: int) -> None:
        self.delay, self.drop_rate = delay, drop_rate
        self.random = random.Random(seed)
        self.accepted = 0
        self.log = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644) if log else None
        self.lines: list[bytes] = []
        self.later: deque[tuple[float, Client, bytes]] = deque()
        self.running = True
        self.selector = selectors.DefaultSelector()
        self.listener = socket.create_server((host, port), backlog=1024)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, None)
        self.port = self.listener.getsockname()[1]

    def stop(self, *_: object) -> None:
        """Let `run` return after its present turn."""
        self.running = False

    def run(self) -> None:
        """Serve until stopped."""
        while self.running:
            timeout = 0.2
            if self.later:
                timeout = min(timeout, max(0.0, self.later[0][0] - time.monotonic()))
            now = time.time()
            for key, _ in self.selector.select(timeout):
                if key.data is None:
                    self.accept()
                else:
                    self.read(key.data, now)
            self.send_later()
        self.flush()

    def accept(self) -> None:
        """Accept new connections."""
        try:
            while True:
                sock, _ = self.listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client = Client(sock)
                self.selector.register(sock, selectors.EVENT_READ, client)
                self.answer(client, b"220 sink.example ESMTP\r\n")
        except BlockingIOError:
            return

    def read(self, client: Client, now: float) -> None:
        """Read what arrived and answer it."""
        try:
            data = client.sock.recv(262144)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(client)
            return
        client.buffer += data
        replies: list[bytes] = []
        while client.buffer:
            if not (self.body(client, replies, now) if client.in_body else self.command(client, replies)):
                break
        if replies:
            self.answer(client, b"".join(replies))
        if client.closing and not self.delay:
            self.close(client)

    def command(self, client: Client, replies: list[bytes]) -> bool:
        """Answer one command. Return False if the buffer holds no complete one."""
        line, end, rest = client.buffer.partition(b"\r\n")
        if not end:
            return False
        client.buffer = rest
        verb = line[:4].upper()
        replies.append(REPLIES.get(verb, b"500 5.5.2 What?\r\n"))
        if verb == b"DATA":
            client.in_body = True
        elif verb == b"RCPT":
            client.recipient = line[9:-1]
        elif verb == b"QUIT":
            client.closing = True
        return True

    def body(self, client: Client, replies: list[bytes], now: float) -> bool:
        """Read more of a body. Return False if its end has not arrived."""
        data = client.tail + client.buffer
        end = data.find(b"\r\n.\r\n")
        if end < 0:
            client.parts.append(client.buffer)
            client.tail, client.buffer = data[-4:], b""
            return False
        head = client.parts[0] if client.parts else data
        client.buffer = data[end + 5 :]
        client.in_body, client.tail, client.parts = False, b"", []
        self.accepted += 1
        match = MESSAGE_ID.search(head, 0, 8192)
        self.lines.append(b"%b %b %.6f\n" % (match[1] if match else b"-", client.recipient, now))
        if self.drop_rate and self.random.random() < self.drop_rate:
            self.flush()
            client.closing = True
            client.buffer = b""
            replies.clear()
            self.close(client)
            return False
        replies.append(OK)
        return True

    def answer(self, client: Client, data: bytes) -> None:
        """Reply now or, with a delay, later; the log comes first."""
        self.flush()
        if self.delay:
            self.later.append((time.monotonic() + self.delay, client, data))
        else:
            self.send(client, data)

    def send_later(self) -> None:
        """Send the replies that are due."""
        now = time.monotonic()
        while self.later and self.later[0][0] <= now:
            _, client, data = self.later.popleft()
            self.send(client, data)
            if client.closing:
                self.close(client)

    def send(self, client: Client, data: bytes) -> None:
        """Send a reply. It always fits into the kernel's buffer."""
        if client.sock.fileno() < 0:
            return
        try:
            client.sock.send(data)
        except OSError:
            self.close(client)

    def flush(self) -> None:
        """Append to the log what is new."""
        if self.lines and self.log is not None:
            os.write(self.log, b"".join(self.lines))
        self.lines.clear()

    def close(self, client: Client) -> None:
        """Close a connection."""
        if client.sock.fileno() >= 0:
            self.selector.unregister(client.sock)
            client.sock.close()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="A mail server that accepts everything.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--delay-ms", type=float, default=0.0)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--drop-rate", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sink = Sink(options.host, options.port, options.delay_ms / 1000, options.log, options.drop_rate, options.seed)
    signal.signal(signal.SIGTERM, sink.stop)
    signal.signal(signal.SIGINT, sink.stop)
    sys.stdout.write(f"listening on {sink.port}\n")
    sys.stdout.flush()
    sink.run()
    sys.stdout.write(f"{sink.accepted} messages\n")


if __name__ == "__main__":
    main()
