"""A connection that is signed in: commands with one answer each, and the two errors of `account`."""

import imaplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Self

from notifier.imap.account import Account, ImapAway, ImapReadOnly, ImapRefused, Security
from notifier.imap.names import quoted
from notifier.imap.wire import NotImap, Wire

#: Response codes of a server that may say something else in a minute (RFC 5530, section 3).
_LATER = ("[UNAVAILABLE]", "[INUSE]", "[LIMIT]", "[SERVERBUG]")

#: What OpenSSL says of an answer that is no TLS; the second one since version 3.2.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")


class Connection:
    """One connection. Use `Connection.open`, then `close`."""

    def __init__(self, wire: Wire, account: Account) -> None:
        """Take a new connection. `open` makes one."""
        self._wire = wire
        self._account = account
        self._capabilities: frozenset[str] = frozenset()

    @classmethod
    def open(cls, account: Account) -> Self:
        """Connect and sign in. Raise ImapAway or ImapRefused."""
        where = f"{account.host}:{account.port}"
        context = None if account.security is Security.NONE else _tls(account.ca_file)
        try:
            wire = Wire(account.host, account.port, context if account.security is Security.TLS else None)
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(where, error) from error
        except NotImap as error:
            raise ImapRefused(f"{where} does not speak IMAP: check the port in the URL") from error
        except (OSError, imaplib.IMAP4.error, UnicodeError) as error:
            if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
                raise ImapRefused(f"{where} does not speak TLS: check the port, or use imap:// for STARTTLS") from error
            # Also a greeting such as "BYE too many connections".
            raise ImapAway(f"{where} does not answer: {_text_of(error)}") from error
        connection = cls(wire, account)
        try:
            connection._begin(context)
        except BaseException:
            connection.close()
            raise
        return connection

    def close(self) -> None:
        """Close the connection without another word."""
        with suppress(OSError):
            self._wire.shutdown()

    def log_out(self) -> None:
        """Tell the server that nothing more comes, and close the connection. It may be gone."""
        with suppress(OSError, imaplib.IMAP4.error):
            self._wire.logout()
        self.close()

    def can(self, capability: str) -> bool:
        """Return whether the server has this capability, such as UIDPLUS."""
        return capability in self._capabilities

    def ask(self, command: str, *words: str) -> list[Any]:
        """Send a command. Return the data of its answer, as imaplib has it. Raise ImapAway or ImapRefused."""
        with self._errors():
            answer, data = self._wire.xatom(command, *words)
            return self._checked(answer, data)

    def uid(self, command: str, *words: str) -> list[Any]:
        """Send a command about UIDs. Return the data that came with it. Raise ImapAway or ImapRefused."""
        with self._errors():
            # Counts of what others, or commands before, have removed; nothing here goes by sequence numbers.
            for noise in ("EXPUNGE", "VANISHED", "RECENT", "FETCH"):
                self._wire.response(noise)
            answer, data = self._wire.uid(command, *words)
            return self._checked(answer, data)

    def select(self, folder: str, *, read_only: bool) -> None:
        """Open a folder; its name is quoted already. Raise ImapAway or ImapRefused."""
        with self._errors():
            answer, data = self._wire.select(folder, readonly=read_only)
            self._checked(answer, data)

    def said(self, code: str) -> bytes | None:
        """Return what the server has said last under a code such as UIDVALIDITY; None if it has not."""
        _, data = self._wire.response(code)
        return data[-1] if data and isinstance(data[-1], bytes) else None

    def _begin(self, context: ssl.SSLContext | None) -> None:
        if self._account.security is Security.STARTTLS:
            self._start_tls(context)
        self._learn()
        if self._wire.state != "NONAUTH":
            return  # PREAUTH: the server knows who we are.
        with self._errors():
            self._sign_in()
        self._learn()

    def _start_tls(self, context: ssl.SSLContext | None) -> None:
        assert context is not None
        where = f"{self._account.host}:{self._account.port}"
        if self._wire.state != "NONAUTH" or "STARTTLS" not in self._wire.capabilities:
            raise ImapRefused(
                f"{where} offers no STARTTLS, so the password is not sent: use imaps:// instead of imap://"
            )
        self.ask("STARTTLS")
        try:
            self._wire.protect(context)
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(where, error) from error
        except OSError as error:
            raise ImapAway(f"{where}: TLS does not begin: {_text_of(error)}") from error

    def _learn(self) -> None:
        """Ask what the server can do: before signing in, and again after it, it may say more or less."""
        self._wire.response("CAPABILITY")
        self.ask("CAPABILITY")
        listed = [line for line in self._wire.response("CAPABILITY")[1] or [] if isinstance(line, bytes)]
        self._capabilities = frozenset(b" ".join(listed).decode("ascii", "replace").upper().split())

    def _sign_in(self) -> None:
        account = self._account
        try:
            if self.can("AUTH=PLAIN"):
                # RFC 4616; it takes a password of any characters.
                secret = f"\0{account.user}\0{account.password}".encode()
                self._wire.authenticate("PLAIN", lambda _: secret)
            elif self.can("LOGINDISABLED"):
                raise ImapRefused(f"{account.host} offers no sign-in with a password")
            else:
                self._wire.login(quoted(account.user), account.password)
        except UnicodeEncodeError as error:
            raise ImapRefused(f"{account.host} takes only passwords and users in ASCII") from error
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as error:
            said = _text_of(error).replace(account.password, "***")
            if any(code in said for code in _LATER):
                raise ImapAway(f"{account.host} does not let {account.user} in now: {said}") from error
            raise ImapRefused(
                f"{account.host} does not let {account.user} in: {said}. Check the user in the URL and "
                "INBOUND_IMAP_PASSWORD; some providers want a password for applications"
            ) from None

    def _checked(self, answer: str, data: Sequence[Any]) -> list[Any]:
        if answer == "OK":
            return list(data)
        said = _decoded(data[-1]) if data else ""
        if any(code in said for code in _LATER):
            raise ImapAway(said)
        raise ImapRefused(said or "the server refused without a reason")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn the errors of imaplib into ours."""
        try:
            yield
        except imaplib.IMAP4.readonly as error:
            raise ImapReadOnly("the folder is read-only") from error
        except (imaplib.IMAP4.abort, OSError) as error:
            raise ImapAway(f"{self._account.host} is gone: {_text_of(error)}") from error
        except (imaplib.IMAP4.error, UnicodeError) as error:
            raise ImapRefused(f"{self._account.host} answered: {_text_of(error)}") from error


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Build a context that verifies certificate and host name; with `ca_file`, trust that authority alone."""
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _untrusted(where: str, error: ssl.SSLCertVerificationError) -> ImapRefused:
    return ImapRefused(
        f"{where}: the certificate is not accepted ({error.verify_message}). Use the host name that it is for; "
        "name the certificates of an authority of your own in INBOUND_IMAP_CA_FILE"
    )


def _text_of(error: Exception) -> str:
    """Return what an error says, as one short line."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return _decoded(error.args[0] if error.args else "")


def _decoded(said: object) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    return " ".join(text.split())[:300]
