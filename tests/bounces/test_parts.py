"""The limits on everything that a stranger sends, and the decoding of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifier.bounces import parts
from notifier.bounces.decoding import MAX_VALUE, header_text, html_text, text_of, transfer_decoded
from notifier.bounces.parts import split

MULTI = b"Content-Type: multipart/mixed; boundary=B\n\n"


def bodies(data: bytes) -> list[bytes]:
    return [part.body.strip() for part in split(data).parts if part.media_type != parts.PREAMBLE]


def test_parts_are_split_at_their_boundary() -> None:
    data = MULTI + b"before\n--B\n\none\n--B \nContent-Type: text/html\n\ntwo\n--B--\nafter\n--B\n\nthree\n"
    assert bodies(data) == [b"one", b"two"]
    assert [part.media_type for part in split(data).parts] == ["text/plain", "text/html", parts.PREAMBLE]


def test_a_boundary_may_begin_with_another() -> None:
    inner = b"Content-Type: multipart/mixed; boundary=B2\n\n--B2\n\none\n--B2--\n"
    assert bodies(MULTI + b"--B\n" + inner + b"--B\n\ntwo\n--B--\n") == [b"one", b"two"]


def test_numbers_are_limited() -> None:
    assert len(split(MULTI + b"--B\n\nx\n" * 5000).parts) <= parts.MAX_PARTS + 1
    inner = b"--B\nContent-Type: multipart/mixed; boundary=%d\n\n"
    tree = b"".join(inner % number + b"--%d\n\nx\n" % number * 30 for number in range(30))
    assert len(split(MULTI + tree).parts) <= parts.MAX_PARTS + 1
    headers = split(b"".join(b"X-%d: 1\n" % number for number in range(5000)) + b"\nx").headers
    assert len(headers.values) <= parts.MAX_HEADER_LINES
    assert len(split(b"X-A: 1\n" * 5000 + b"\n").headers.every("x-a")) <= parts.MAX_VALUES
    assert len(split(b"Subject: " + b"x" * 10**6).headers.first("subject")) <= parts.MAX_LINE
    assert len(split(b"Subject: x\n" + b" folded\n" * 10**5).headers.first("subject")) <= parts.MAX_LINE + 10
    assert all(len(part.body) <= parts.MAX_BODY for part in split(b"Subject: x\n\n" + b"y" * 10**6).parts)


def test_depth_is_limited() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=B%d\n\n--B%d\n" % (n, n) for n in range(100))
    found = split(nested + b"\nthe core\n")
    assert len(found.parts) == 1
    assert found.parts[0].media_type == "multipart/mixed"


def test_what_has_no_headers_is_text() -> None:
    assert bodies(b"no header here\n\nat all") == [b"no header here\n\nat all"]
    assert bodies(b"") == [b""]
    assert split(b"From x@y Tue Nov  3 10:00:00 2026\nSubject: hi\n\n").headers.first("subject") == "hi"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("=?utf-8?B?w6Q=?=", "ä"),
        ("=?iso-8859-1?Q?=E4_x?= =?iso-8859-1?q?y?=", "ä xy"),
        ("=?utf-8*de?Q?=C3=A4?=", "ä"),
        ("=?nonsense?B?w6Q=?=", "ä"),
        ("=?utf-8?B?w6Q?=", "ä"),
        ("=?utf-8?B?!!!?=", ""),
        ("=?idna?Q?x?=", "x"),
    ],
)
def test_encoded_words(written: str, read: str) -> None:
    assert header_text(written) == read


@given(
    st.text(), st.sampled_from(["utf-8", "utf-16", "utf-7", "idna", "unicode_escape", "zip", "hex", "\x00", "x" * 99])
)
def test_decoding_never_raises(text: str, charset: str) -> None:
    raw = text.encode("utf-8", "surrogatepass")
    assert isinstance(text_of(raw, charset), str)
    assert len(header_text(text)) <= MAX_VALUE
    assert isinstance(html_text(text), str)
    for encoding in ("base64", "quoted-printable", "x-uuencode"):
        assert isinstance(transfer_decoded(raw, encoding), bytes)


def test_html_becomes_its_text() -> None:
    source = (
        "<style>p {}</style><p>a &lt;b&gt;&nbsp;&#228;<br>&#x110000;&unknown;c <x@y.example> 1 < 2<script>no</script>"
    )
    assert html_text(source).split() == ["a", "<b>", "ä", "c", "<x@y.example>", "1", "<", "2"]
