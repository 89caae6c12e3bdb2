"""Mailboxes on a real IMAP server, as another client sees them; and a proxy that cuts connections."""

import imaplib
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from itertools import count
from pathlib import Path

import trustme

from notifier.imap.account import Account, Security
from notifier.testing.servers.dovecot import PASSWORD, DovecotServer

_numbers = count(1)


@cache
def authority() -> tuple[Path, Path, Path]:
    """Return files in PEM form: an authority, a certificate for this machine, and its key. Made once for the run."""
    made = trustme.CA()
    certificate = made.issue_cert("127.0.0.1", "localhost")
    folder = Path(tempfile.mkdtemp(prefix="imap-certificates-"))
    paths = folder / "authority.pem", folder / "certificate.pem", folder / "key.pem"
    made.cert_pem.write_to_path(paths[0])
    certificate.cert_chain_pems[0].write_to_path(paths[1])
    certificate.private_key_pem.write_to_path(paths[2])
    return paths


def dovecot() -> DovecotServer:
    """Return a server that is not started yet."""
    _, certificate, key = authority()
    return DovecotServer(certificate, key)


class Box:
    """The mailboxes of a user who is new on this server."""

    def __init__(self, server: DovecotServer) -> None:
        self.server = server
        self.user = f"user{next(_numbers)}@example.com"
        self.folder = "INBOX"

    def account(self, port: int = 0, security: Security = Security.NONE, password: str = PASSWORD) -> Account:
        """Return how to sign in."""
        return Account("localhost", port or self.server.port, security, self.user, password, authority()[0])

    @contextmanager
    def client(self, folder: str | None = None) -> Iterator[imaplib.IMAP4]:
        """Another client, with a folder open."""
        with imaplib.IMAP4("localhost", self.server.port) as client:
            client.login(self.user, PASSWORD)
            client.select(folder or self.folder)
            yield client

    def make(self, folder: str) -> None:
        """Make a folder."""
        with self.client("INBOX") as client:
            assert client.create(folder)[0] == "OK"

    def remake(self) -> None:
        """Delete the folder with all emails and make it anew: it gets another UIDVALIDITY, and UIDs begin with 1."""
        with self.client("INBOX") as client:
            assert client.delete(self.folder)[0] == "OK"
            assert client.create(self.folder)[0] == "OK"

    def put(self, *emails: bytes, folder: str | None = None, flags: str = "") -> None:
        """Add emails."""
        with self.client(folder) as client:
            for each in emails:
                assert client.append(folder or self.folder, flags, "", each)[0] == "OK"

    def subjects(self, folder: str | None = None, criteria: str = "ALL") -> list[str]:
        """Return the subjects of the emails there, oldest first."""
        with self.client(folder) as client:
            numbers = client.search(None, criteria)[1][0].split()
            fields = [client.fetch(each.decode(), "(BODY.PEEK[HEADER.FIELDS (SUBJECT)])")[1][0] for each in numbers]
            return [part[1].decode().partition(":")[2].strip() for part in fields if isinstance(part, tuple)]

    def maildir(self) -> Path:
        """Return where the server keeps the folder."""
        root = self.server.maildir(self.user)
        return root if self.folder == "INBOX" else root / f".{self.folder}"

    def paths(self) -> list[Path]:
        """Return the files of the emails in the folder."""
        return [path for name in ("new", "cur") for path in (self.maildir() / name).iterdir()]


def email(subject: str, size: int = 0) -> bytes:
    """Return an email that says nothing about one of ours."""
    return f"From: a@example.net\r\nSubject: {subject}\r\n\r\n".encode() + (b"y" * 74 + b"\r\n") * (size // 76)


class CuttingProxy:
    """A TCP proxy in front of a port of this machine. It cuts connections after so many bytes from the server."""

    def __init__(self, target: int, limits: Sequence[int | None]) -> None:
        """`limits`: of each connection in turn, None for no limit; the last one also counts for all that follow."""
        self._target = target
        self._limits = list(limits)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: Connections so far.
        self.connections = 0

    def __enter__(self) -> "CuttingProxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._sockets):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += (client, server)
            limit = self._limits[min(self.connections, len(self._limits) - 1)]
            self.connections += 1
            threading.Thread(target=self._pump, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pump, args=(server, client, limit), daemon=True).start()

    def _pump(self, source: socket.socket, to: socket.socket, limit: int | None) -> None:
        with suppress(OSError):
            while data := source.recv(4096 if limit is None else min(4096, limit) or 1):
                if limit is not None:
                    if limit == 0:
                        break
                    limit -= len(data)
                to.sendall(data)
        for sock in (source, to):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class Script:
    """An IMAP server that says what it was given: a greeting, then one answer to each line, with %s for its tag."""

    def __init__(self, greeting: bytes, *answers: bytes) -> None:
        self._said = [greeting, *answers]
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: The lines that came.
        self.heard: list[bytes] = []

    def __enter__(self) -> "Script":
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            client, _ = self._listener.accept()
            with client, client.makefile("rb") as lines:
                client.sendall(self._said[0])
                tag = b""
                for answer in self._said[1:]:
                    line = lines.readline()
                    self.heard.append(line)
                    # What answers a continuation has no tag.
                    tag = line.split(b" ")[0] if b" " in line else tag
                    client.sendall(answer.replace(b"%s", tag))
                if not self._said[-1].startswith(b"* BYE"):
                    lines.read()

    def account(self, security: Security = Security.NONE) -> Account:
        """Return how to sign in here."""
        return Account("127.0.0.1", self.port, security, "ada", PASSWORD, authority()[0])
