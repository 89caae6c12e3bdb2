"""Values are encoded together, and each is what the encoder would make of it alone."""

from binascii import a2b_qp

import pytest

from notifier.rendering.compiled.forms import encode_values

SEVERAL_LINES = ["hello\nworld", "a blank at the end \nof a line", "x" * 30 + "\n" + "y" * 30]


@pytest.mark.parametrize("number", [1, 20], ids=["few", "many"])
def test_line_ends_within_values_are_crlf_and_no_line_ends_with_a_blank(number: int) -> None:
    """A bare LF could end a line at one server and not at the next (RFC 5321, section 2.3.8)."""
    encoded = encode_values(SEVERAL_LINES * number, escaped=True)
    assert [a2b_qp(each).decode() for each in encoded] == [
        value.replace("\n", "\r\n") for value in SEVERAL_LINES
    ] * number
    for each in encoded:
        assert b"\n" not in each.replace(b"\r\n", b"")
        assert not any(line.endswith(b" ") for line in each.split(b"\r\n"))
