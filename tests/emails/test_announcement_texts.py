"""Characters in the texts of an announcement: those that its content may have, and no others."""

import pytest
from pydantic import ValidationError

from notifier.content import Checked, Content
from notifier.emails import KINDS
from notifier.emails.announcement import Announcement, Text
from notifier.emails.content_variables import offered
from tests.support.campaigns import CONTENT

ORDINARY = {
    "no-break space": "10\u00a0000",
    "narrow no-break space": "Prix\u202f: 5\u202f\u20ac",
    "zero-width non-joiner": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "right-to-left mark": "\u05e9\u05dc\u05d5\u05dd!\u200f",
    "left-to-right mark": "C#\u200e is here",
    "soft hyphen": "Donau\u00addampf",
    "tab": "a\tb",
}
KIND = KINDS["announcement"]
assert isinstance(KIND, Announcement)


def mistakes(name: str, text: str) -> list[str]:
    """The messages about one text."""
    value = [text] if name == "paragraphs" else text
    try:
        Text.model_validate(CONTENT | {"button_text": "Go", "button_url": "https://a.example/"} | {name: value})
    except ValidationError as error:
        # Pydantic adds that a list whose only item is refused is too short.
        return [each["msg"] for each in error.errors() if each["type"] != "too_short"]
    return []


@pytest.mark.parametrize("text", ORDINARY.values(), ids=ORDINARY)
def test_ordinary_text_is_taken_as_the_content_editor_takes_it(text: str) -> None:
    Checked(Content(text, text, text), offered(KIND))
    for name in Announcement.text_settings - {"button_url"}:
        assert mistakes(name, text) == []


@pytest.mark.parametrize("broken", ["\x1b", "\x85", "\ufdd0", "\ufeff", "\U0010f000", "\ufffe"])
def test_what_content_refuses_is_refused(broken: str) -> None:
    for name in Announcement.text_settings - {"button_url"}:
        (message,) = mistakes(name, f"a{broken}b")
        assert f"a character that cannot be shown (U+{ord(broken):04X})" in message


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\u2028", "\u2029"])
def test_a_line_break_is_refused_by_its_name(end: str) -> None:
    for name in ("subject", "heading", "button_text"):
        assert mistakes(name, f"a{end}b") == ["Value error, must be one line"]
    (message,) = mistakes("paragraphs", f"a{end}b")
    assert message == "Value error, must not have line breaks within a paragraph"


@pytest.mark.parametrize("empty", ["", " ", "\u00a0", "\u200b\u200d", "\xad"])
def test_a_text_that_shows_nothing_is_empty(empty: str) -> None:
    for name in Announcement.text_settings - {"button_url"}:
        assert mistakes(name, empty) == ["Value error, must not be empty"]
