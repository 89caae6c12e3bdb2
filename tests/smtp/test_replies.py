"""Bytes -> replies: whole ones, torn ones, endless ones."""

import pytest

from notifier.smtp.outcome import Failure, Reply
from notifier.smtp.replies import MAX_LINE, MAX_LINES, MAX_REPLY, ReplyReader, WireError

GOOD = {
    b"250 Ok\r\n": (250, None, "Ok"),
    b"250\r\n": (250, None, ""),
    b"250 \r\n": (250, None, ""),
    b"250 lenient\n": (250, None, "lenient"),
    b"250-a\r\n250-b\r\n250 c\r\n": (250, None, "a b c"),
    b"550-5.1.1 no such\r\n550 5.1.1 user\r\n": (550, "5.1.1", "no such user"),
    b"550 #5.1.0 Address rejected.\r\n": (550, "5.1.0", "Address rejected."),
    b"550 sorry (#5.1.1)\r\n": (550, "5.1.1", "sorry (#5.1.1)"),
    b"550 10.1.1.1 is listed\r\n": (550, None, "10.1.1.1 is listed"),
    b"250 caf\xc3\xa9 \xff\r\n": (250, None, "café �"),
}


def read(*chunks: bytes) -> list[Reply]:
    reader, replies = ReplyReader(), []
    for chunk in chunks:
        reader.feed(chunk)
        while (reply := reader.take()) is not None:
            replies.append(reply)
    return replies


@pytest.mark.parametrize(("raw", "expected"), GOOD.items())
def test_a_reply_in_one_piece_and_byte_by_byte(raw: bytes, expected: tuple[object, ...]) -> None:
    for replies in (read(raw), read(*(bytes([byte]) for byte in raw))):
        assert [(reply.code, reply.enhanced, reply.text) for reply in replies] == [expected]


def test_many_replies_at_once_keep_their_order() -> None:
    assert [reply.code for reply in read(b"250 a\r\n550-b\r\n550 c\r\n354 d\r\n25", b"1 e\r\n")] == [250, 550, 354, 251]


BAD = {
    "not smtp": b"HTTP/1.1 400 Bad Request\r\n",
    "short line": b"25\r\n",
    "empty line": b"\r\n",
    "first digit": b"650 what\r\n",
    "preliminary": b"150 what\r\n",
    "glued": b"250Ok\r\n",
    "two codes": b"250-a\r\n550 b\r\n",
    "binary": b"\x16\x03\x01\x02\x00\x01\n",
    "without end": b"250 " + b"x" * MAX_LINE + b"\r\n",
    "without line end": b"250 " + b"x" * (MAX_LINE + 1),
    "too many lines": b"250-x\r\n" * (MAX_REPLY // 7 + 2),
    "very many lines": b"250-x\r\n" * (MAX_LINES + 1),
    "begins wrongly": b"SSH-2.0-OpenSSH_9.6",
}


@pytest.mark.parametrize("raw", BAD.values(), ids=BAD)
def test_what_is_no_smtp_is_garbage(raw: bytes) -> None:
    with pytest.raises(WireError) as error:
        read(raw)
    assert error.value.kind is Failure.GARBAGE


def test_pending_tells_of_bytes_that_nobody_asked_for() -> None:
    reader = ReplyReader()
    assert not reader.pending
    reader.feed(b"250 Ok\r\n250 again\r\n")
    assert reader.take() is not None
    assert reader.pending
    assert reader.take() is not None
    assert not reader.pending
