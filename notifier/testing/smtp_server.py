r"""A scripted mail server, over real sockets on loopback.

    with SmtpServer({"rcpt": "550 5.1.1 User unknown"}) as server:
        ...  # server.host, server.port
    assert server.accepted == []

Without a script it accepts every email. A script maps a phase (connect, banner, ehlo, helo, starttls, auth, mail, rcpt,
data, body, eod, rset, quit) to an action, to a list of actions for its first, second, n-th occurrence on the whole
server (None, and every one after the end: the default), or to a function of the Session. An action is

    "250 2.0.0 Ok"        a reply; "\n" in it separates the lines of one reply, "\r\n" separates two replies
    "DROP" / "RST"        close the connection in order / with a reset
    "FIN_WITHOUT_REPLY"   close our side only, and read on
    "HANG"                send nothing more until the client closes
    "DRIP"                send the default reply, one byte every `drip` seconds
    "garbage"             send bytes that are not SMTP
    "DROP_AFTER_1KB"      in the phase body: read 1 kB, then reset
    ("250 Ok", "DROP")    one after another

`rcpt` maps single recipients to actions. `connections` are scripts of the n-th connection, before
the common one.
"""

import contextlib
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Self

from notifier.testing.smtp_connection import Connection, Gone
from notifier.testing.smtp_script import EVERYTHING, Accepted, Action, Command, Script, Session

__all__ = ["EVERYTHING", "Accepted", "Action", "Command", "Script", "Session", "SmtpServer"]


class SmtpServer:
    """The server, a context manager. It keeps a record of all commands and emails.

    Args:
        script: Actions by phase; see the module.
        ehlo: The extensions that EHLO offers.
        rcpt: Actions by recipient.
        connections: Scripts of the first connections.
        tls: Offers STARTTLS, or TLS from the first byte if `implicit`.
        implicit: See `tls`.
        users: Passwords by name; offers AUTH.
        delay: Seconds before each reply.
        drip: Seconds between two bytes of the action DRIP.
        receive_buffer: Bytes that the kernel buffers for us.
        port: 0: any free one.
    """

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
        """Listen on a port of loopback."""
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
        #: Emails whose body has begun and whose reply has not been sent.
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
        """Close all connections and end all threads, within 2 seconds."""
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
        """Return the commands that start with `verb`, in order of arrival."""
        with self.lock:
            return [command.line for command in self.commands if command.line.upper().startswith(verb)]

    def action(self, phase: str, session: Session) -> Action:
        """Return what the script says for this occurrence of `phase`; None: the default."""
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
        connection = Connection(self, sock, Session(number))
        with self.lock:
            self.open_sessions += 1
            self.max_open_sessions = max(self.max_open_sessions, self.open_sessions)
        try:
            connection.talk()
        except (Gone, OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open_sessions -= 1
                self.on_the_wire -= connection.body_open
                self._sockets.discard(sock)
            connection.sock.close()
            sock.close()
