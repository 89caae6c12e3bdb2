"""Wrap one connected, non-blocking socket, with TLS or without, and track what the kernel has taken.

TLS works on memory BIOs, not on the socket. So for every piece of output, encrypted or not, it is known whether the
kernel took it as a whole; that decides whether an email was certainly not delivered.
"""

import errno
import socket
import ssl

from notifier.smtp.outcome import Failure, Phase
from notifier.smtp.replies import WireError

_CHUNK = 65536
#: Failures of the network by error number; every other error is a local one.
_KINDS = {
    errno.ECONNRESET: Failure.RESET,
    errno.EPIPE: Failure.RESET,
    errno.ECONNABORTED: Failure.RESET,
    errno.ECONNREFUSED: Failure.REFUSED,
    errno.EHOSTUNREACH: Failure.REFUSED,
    errno.ENETUNREACH: Failure.REFUSED,
    errno.ETIMEDOUT: Failure.TIMEOUT,
}


def wire_error(error: OSError, unsent: Phase | None = None) -> WireError:
    """Return the WireError for an error of the socket."""
    kind = _KINDS.get(error.errno or 0, Failure.LOCAL)
    return WireError(kind, error.strerror or str(error), unsent)


class Channel:
    """Queue output pieces, each marked with a phase, and receive input. All methods may raise WireError."""

    __slots__ = ("_failed", "_out", "_phases", "_tls", "_tls_in", "_tls_out", "socket")

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._out: list[bytes | memoryview] = []
        self._phases: list[Phase] = []
        self._tls: ssl.SSLObject | None = None
        self._tls_in: ssl.MemoryBIO | None = None
        self._tls_out: ssl.MemoryBIO | None = None
        #: Set once TLS has failed: input before the failure counts, nothing after it does.
        self._failed: WireError | None = None

    @property
    def unsent(self) -> Phase | None:
        """Return the phase of the first piece that the kernel has not taken as a whole, or None."""
        return self._phases[0] if self._phases else None

    def write(self, data: bytes, phase: Phase) -> None:
        """Queue one piece; `flush` sends it."""
        if self._failed is not None:
            raise WireError(self._failed.kind, self._failed.detail, phase)
        if self._tls is not None and self._tls_out is not None:
            self._tls.write(data)
            data = self._tls_out.read()
        self._out.append(data)
        self._phases.append(phase)

    def flush(self) -> bool:
        """Hand over as much as the kernel takes now. Return whether that was all."""
        if self._failed is not None:
            raise self._failed
        out = self._out
        try:
            while out:
                # Small pieces share a packet; a big one is not copied again for each partial send.
                piece = out[0] if len(out) == 1 or len(out[0]) > _CHUNK else b"".join(out)
                sent = self.socket.send(piece)
                self._forget(sent)
        except BlockingIOError:
            return False
        except OSError as error:
            raise wire_error(error, self.unsent) from error
        return True

    def _forget(self, sent: int) -> None:
        out, phases = self._out, self._phases
        while out and sent >= len(out[0]):
            sent -= len(out[0])
            del out[0], phases[0]
        if sent:
            out[0] = memoryview(out[0])[sent:]

    def receive(self) -> bytes:
        """Return the bytes that have arrived, empty if there are none yet. Raise WireError at the end of the input."""
        if self._failed is not None:
            raise self._failed
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise wire_error(error, self.unsent) from error
        if not data:
            raise WireError(Failure.DROP, "the server closed the connection", self.unsent)
        return data if self._tls is None else self._decrypt(data)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Encrypt everything from now on, once `handshake` is done. `host` is the name to verify."""
        self._tls_in, self._tls_out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._tls_in, self._tls_out, server_hostname=host)

    def handshake(self) -> bool:
        """Take one step of the TLS handshake, which verifies certificate and name. Return whether it is done."""
        assert self._tls is not None
        assert self._tls_out is not None
        done = False
        try:
            self._tls.do_handshake()
            done = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            raise WireError(Failure.TLS, _problem(error)) from error
        if ciphertext := self._tls_out.read():
            self._out.append(ciphertext)
            self._phases.append(Phase.STARTTLS)
        return done

    def receive_handshake(self) -> None:
        """Receive the other side's bytes during the handshake."""
        assert self._tls_in is not None
        try:
            data = self.socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise wire_error(error) from error
        if not data:
            raise WireError(Failure.DROP, "the server closed the connection during the TLS handshake")
        self._tls_in.write(data)

    def _decrypt(self, data: bytes) -> bytes:
        assert self._tls is not None
        assert self._tls_in is not None
        self._tls_in.write(data)
        clear = []
        try:
            while chunk := self._tls.read(_CHUNK):
                clear.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            if not clear:
                raise WireError(Failure.DROP, "the server closed TLS", self.unsent) from None
        except ssl.SSLError as error:
            self._failed = WireError(Failure.RESET, _problem(error), self.unsent)
            if not clear:
                raise self._failed from error
        return b"".join(clear)


def _problem(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate does not verify: {error.verify_message}"
    return str(error.reason or error)
