"""TLS on memory: what was said before it broke counts."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from notifier.smtp.channel import Channel
from notifier.smtp.outcome import Failure, Phase
from notifier.smtp.replies import WireError
from tests.support.certificates import certificates


class Server:
    """The other end, byte for byte."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = certificates().good.wrap_bio(self._in, self._out, server_side=True)

    def handshake(self) -> bool:
        """One step; whether it is done."""
        self._in.write(self.socket.recv(65536))
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self.socket.sendall(self._out.read())
        return True

    def record(self, text: bytes) -> bytes:
        """`text`, encrypted."""
        self._tls.write(text)
        return self._out.read()


@pytest.fixture
def ends() -> Iterator[tuple[Channel, Server]]:
    """Both ends of a connection, after the handshake."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        channel, server = Channel(ours), Server(theirs)
        channel.start_tls(ssl.create_default_context(cafile=certificates().authority), "localhost")
        done = channel.handshake()
        channel.flush()
        while not server.handshake():
            channel.receive_handshake()
            done = channel.handshake()
            channel.flush()
        assert done
        yield channel, server


def test_a_reply_in_one_packet_with_what_is_no_tls(ends: tuple[Channel, Server]) -> None:
    """The 250 of a mail that was accepted must not be thrown away with it."""
    channel, server = ends
    server.socket.sendall(server.record(b"250 Ok\r\n") + b"no record at all")
    assert channel.receive() == b"250 Ok\r\n"
    with pytest.raises(WireError) as caught:
        channel.receive()
    assert caught.value.kind is Failure.RESET
    with pytest.raises(WireError) as caught:
        channel.write(b"MAIL FROM:<>\r\n", Phase.MAIL)
    assert (caught.value.kind, caught.value.unsent) == (Failure.RESET, Phase.MAIL)
    with pytest.raises(WireError):
        channel.flush()  # nobody waits here for a reply that cannot come


def test_what_is_no_tls_alone(ends: tuple[Channel, Server]) -> None:
    channel, server = ends
    server.socket.sendall(b"no record at all")
    with pytest.raises(WireError) as caught:
        channel.receive()
    assert caught.value.kind is Failure.RESET
