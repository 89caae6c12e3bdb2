"""The language and direction of content, and how an email shows them."""

# ruff: noqa: RUF001 - other scripts have letters that look like ours

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from notifier.content import Checked, Content, ContentError, direction_of, language_of, lay_out
from notifier.content.language import direction_within, first_strong
from notifier.emails.content_variables import EXAMPLES, reading
from notifier.mail.header_text import NAME_LIMIT
from notifier.rendering.render import Renderer

TEMPLATES = Path(__file__).parents[2] / "templates"
OFFERED = {"user": {"name": "Ada"}}
CONTEXT = {
    "recipient_name": "Ada", "product": "Acme", "public_url": "https://acme.example", "postal_address": "A",
    "category_reason": "So.", "unsubscribe_url": "https://u.example", "preferences_url": "https://p.example",
}  # fmt: skip
HEBREW = "שלום {{ user.name }},\n\nהגרסה החדשה של Notifier כאן."


class Page(HTMLParser):
    """The elements of a page, each with its attributes and all the text within."""

    def __init__(self, text: str) -> None:
        super().__init__()
        #: (element, attributes, texts)
        self.elements: list[tuple[str, dict[str, str | None], list[str]]] = []
        self._open: list[int] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs), []))
        if tag not in {"meta", "br"}:
            self._open.append(len(self.elements) - 1)

    def handle_endtag(self, tag: str) -> None:
        while self.elements[self._open.pop()][0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        for number in self._open:
            self.elements[number][2].append(data.strip())

    def all(self, tag: str, *attributes: str, text: str = "") -> list[tuple[Any, ...]]:
        """These attributes of each such element with this text in it."""
        found = [(attrs, "".join(texts)) for name, attrs, texts in self.elements if name == tag]
        return [tuple(attrs.get(each) for each in attributes) for attrs, inner in found if text in inner]

    def turned(self) -> list[tuple[str | None, str | None, str | None, str]]:
        """Language, direction, edge and text of each element with a direction of its own within the page."""
        found = [(attrs, "".join(texts)) for name, attrs, texts in self.elements if name == "div" and "dir" in attrs]
        return [(attrs.get("lang"), attrs["dir"], attrs.get("align"), inner) for attrs, inner in found]


def rendered(subject: str, body: str, language: str = "", heading: str = "") -> Page:
    """An announcement with this content."""
    words = Content(subject, heading, body, language)
    checked = Checked(words, OFFERED)
    filled = lay_out(checked.draw(OFFERED), language=checked.language)
    return Page(str(Renderer(TEMPLATES).render_content("announcement", filled, CONTEXT).html))


@pytest.mark.parametrize(
    ("text", "hints", "language"),
    [
        ("Hello", (), "en"),
        ("Guten Tag", ("de-at",), "de-AT"),
        ("שלום לכולם", (), "he"),
        ("שלום לכולם", ("en", "yi"), "yi"),
        ("مرحبا بالجميع", (), "ar"),
        ("مرحبا بالجميع", ("he",), "ar"),
        ("خبرهای تازه در پیام‌رسان", (), "fa"),
        ("آپ کے لیے نئی خبریں", (), "ur"),
        ("Новости недели", (), "ru"),
        ("Новини тижня і місяця", (), "uk"),
        ("ニュース", (), "ja"),
        ("最新消息", (), "zh"),
        ("{{ user.name }}, שלום", (), "he"),
        ("{% if user.name %}Hello{% endif %} https://acme.example/long/path שלום", (), "en"),
        ("{{ user.name }} https://acme.example/a/long/path שלום", (), "he"),
        ("", (), "en"),
        ("123", ("he",), "he"),
    ],
)  # fmt: skip
def test_letters_tell_a_language(text: str, hints: tuple[str, ...], language: str) -> None:
    assert language_of(text, hints) == language


@pytest.mark.parametrize(
    ("language", "direction"),
    [("en", "ltr"), ("he", "rtl"), ("he-IL", "rtl"), ("iw", "rtl"), ("ar_EG", "rtl"), ("ur", "rtl"), ("fa", "rtl"),
     ("az-Arab", "rtl"), ("ar-Latn", "ltr"), ("dv", "rtl"), ("yi", "rtl"), ("tlh", "ltr"), ("zh-Hant-TW", "ltr")],
)  # fmt: skip
def test_a_language_has_a_direction(language: str, direction: str) -> None:
    assert direction_of(language) == direction


@pytest.mark.parametrize(
    ("text", "base", "direction"),
    [
        ("Hello", "ltr", None),
        ("שלום לכולם", "ltr", "rtl"),
        ("This is English.", "rtl", "ltr"),
        ("Notifier חדש ומשופר מאוד", "rtl", None),
        ("Hello דנה", "ltr", None),
        ("שלום Maximilian Bartholomea", "rtl", None),
        ("123 !", "rtl", None),
    ],
)
def test_a_paragraph_has_another_direction_where_its_beginning_and_its_letters_say_so(
    text: str, base: Any, direction: str | None
) -> None:
    assert direction_within(text, base) == direction


def test_the_first_strong_character_stands_outside_of_isolates() -> None:
    """UAX #9, P2."""
    assert first_strong("\u2067שלום\u2069 Hello") == "ltr"
    assert first_strong("\u2068\u2067x\u2069y\u2069 שלום") == "rtl"
    assert first_strong("123") is None


def test_content_in_hebrew_is_sent_as_hebrew() -> None:
    page = rendered("חדשות", HEBREW, heading="חדשות")
    assert page.all("html", "lang", "dir") == [("he", "rtl")]
    assert page.all("h1", "dir") == [("rtl",)]
    assert ("right", None) in page.all("td", "align", "lang", text="הגרסה")
    # The foot is in English, whatever the content is.
    assert ("right", "en", "ltr") in page.all("td", "align", "lang", "dir", text="So.")


def test_content_in_english_is_sent_as_before() -> None:
    page = rendered("News", "Hello {{ user.name }},\n\nText.")
    assert page.all("html", "lang", "dir") == [("en", "ltr")]
    assert set(page.all("td", "align")) == {("left",), ("center",)}
    assert page.turned() == []


def test_a_language_that_is_named_counts() -> None:
    assert rendered("Nachrichten", "Guten Tag", "de").all("html", "lang", "dir") == [("de", "ltr")]
    assert rendered("News", "Shalom", "he").all("html", "lang", "dir") == [("he", "rtl")]
    with pytest.raises(ContentError, match="Language: Enter the language as a short code"):
        Checked(Content("S", "H", "B", "Hebrew!"), OFFERED)


def test_a_paragraph_of_the_other_direction_says_so() -> None:
    page = rendered("חדשות", "שלום לכולם.\n\nThe same in English.\n\n- ועוד אחד")
    assert page.turned() == [("en", "ltr", "left", "The same in English.")]
    assert rendered("News", "Hello.\n\n## שלום לכולם").turned() == [("he", "rtl", "right", "שלום לכולם")]


def test_what_a_kind_shows_of_its_own_keeps_its_language() -> None:
    checked = Checked(Content("דוח", "דוח", "שלום.\n\n{content}"), OFFERED, has_data=True)
    filled = lay_out(checked.draw(OFFERED), language=checked.language)
    known = CONTEXT | {
        "lines": [("Ada", "liked", "x", "today")],
        "more": "",
        "older": "",
        "home_url": "https://h.example",
    }
    page = Page(str(Renderer(TEMPLATES).render_content("activity_digest", filled, known).html))
    assert page.all("html", "dir") == [("rtl",)]
    [(language, direction, _, text)] = page.turned()
    assert (language, direction) == ("en", "ltr")
    assert "liked" in text


def test_a_kind_in_another_language_is_read_in_its_direction() -> None:
    known = CONTEXT | {
        "verify_url": "https://v.example",
        "not_me_url": "https://n.example",
        "hours_valid": 24,
        "own_signup": True,
    }
    for extra, expected in (({}, ("en", "ltr")), (reading("ar"), ("ar", "rtl"))):
        page = Page(str(Renderer(TEMPLATES).render("verification", known | dict(extra)).html))
        assert page.all("html", "lang", "dir") == [expected]


def test_the_examples_are_as_different_as_people_are() -> None:
    assert [len(each.name) for each in EXAMPLES] == [3, NAME_LIMIT, 0]
    for field in ("key", "label", "locale", "timezone", "email"):
        assert len({getattr(each, field) for each in EXAMPLES}) == len(EXAMPLES)


@pytest.mark.parametrize(
    ("subject", "refused"),
    [
        ("x" * 200, False),
        ("x" * 201, True),
        ("{% if user.name %}" + "x" * 200 + "{% else %}" + "y" * 200 + "{% endif %}", False),
        ("{% if user.name %}" + "x" * 201 + "{% else %}" + "y" * 201 + "{% endif %}", True),
        ("{% if user.name %}" + "x" * 300 + "{% endif %}News", False),
        ("x" * 190 + "{{ user.name }}" + "y" * 11, True),
    ],
)
def test_a_subject_that_is_always_cut_is_refused(subject: str, refused: bool) -> None:
    checked = Checked(Content(subject, "H", "B"), OFFERED)
    if not refused:
        checked.check_length()
        return
    with pytest.raises(
        ContentError, match=r"Subject: The subject has 201 characters; at most 200 are allowed\. Shorten it\."
    ):
        checked.check_length()


def test_a_subject_that_would_be_cut_is_refused_where_it_is_looked_at() -> None:
    long = Checked(Content("News {{ user.name }}", "H", "B"), OFFERED).draw({"user": {"name": "x" * 196}})
    with pytest.raises(ContentError, match="has 201 characters"):
        lay_out(long, strict=True)
    assert len(lay_out(long).subject) == 201
