"""Links of edited content: a link, or refused with the line and what to write. None goes out as it was typed."""

import json
from pathlib import Path

import pytest

from notifier.content import Checked, Content, ContentError
from notifier.content.layout import lay_out

CASES = json.loads((Path(__file__).parent.parent / "data" / "found.json").read_text())["links_in_content"]["cases"]


def read(body: str) -> list[tuple[str, str]]:
    """The parts of the first paragraph: (text, where it leads)."""
    checked = Checked(Content("s", "h", body), {"name": "Ada", "url": "https://a.example/"})
    filled = lay_out(checked.draw({"name": "Ada", "url": "https://a.example/"}), strict=True)
    return [(span.text, span.url) for span in filled.before[0].lines[0]]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_link_is_a_link_or_refused_with_its_place(case: dict[str, str]) -> None:
    if case["input"].startswith("!"):
        with pytest.raises(ContentError, match=r"Body, line 1: Images .* Write a link like this: \[text\]\(https://"):
            read(case["input"])
    else:
        assert read(case["input"]) == [("the page", "https://en.example.org/wiki/Foo_(bar)")]


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        ("[a](https://x.example/b_(c))", [("a", "https://x.example/b_(c)")]),
        ("[a](https://x.example/b_(c)_(d)#e), then", [("a", "https://x.example/b_(c)_(d)#e"), (", then", "")]),
        ("[a](https://x.example/b_(c_(d)))", [("a", "https://x.example/b_(c_(d))")]),
        ("see ([a](https://x.example/))", [("see (", ""), ("a", "https://x.example/"), (")", "")]),
        ("[a]( https://x.example/ ) [b](http://y.example)",
         [("a", "https://x.example/"), (" ", ""), ("b", "http://y.example")]),
        ("[{{ name }}]({{ url }})", [("Ada", "https://a.example/")]),
        ("[a](https://x.example/?n={{ name }})", [("a", "https://x.example/?n=Ada")]),
        ("[sic] {a} (see) a < b, x[1] https://x.example/", [("[sic] {a} (see) a < b, x[1] https://x.example/", "")]),
        ("{{ '[a](b) <https://c.example>' }}", [("[a](b) <https://c.example>", "")]),
    ],
)  # fmt: skip
def test_what_is_understood(source: str, parts: list[tuple[str, str]]) -> None:
    assert read(source) == parts


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("![logo](https://x.example/l.png)", "Images cannot be shown"),
        ("![logo]({{ url }})", "Images cannot be shown"),
        ("![]( https://x.example/l.png )", "Images cannot be shown"),
        ("![logo](l png)", "Images cannot be shown"),
        ("[a](<https://x.example/>)", "without < and >"),
        ('[a](https://x.example/ "b")', "Delete the title"),
        ("[a](https://x.example/ 'b')", "Delete the title"),
        ("[a](https://x.example/b c)", "no spaces"),
        ("[a](https://x.example/b", "no closing bracket"),
        ("[a](https://x.example/b_(c)", "cannot be read"),
        ("[a]()", "no address"),
        ("[](https://x.example/)", "no text"),
        ("a](https://x.example/)", "no opening bracket"),
        ("[a [b] c](https://x.example/)", "cannot be read"),
        ("[a] (https://x.example/)", "Delete the space"),
        ("[a]\n(https://x.example/)", "in one line"),
        ("[a\nb](https://x.example/)", "no opening bracket"),
        ("[a][b]", "References"), ("[a][]", "References"), ("![a][b]", "References"),
        ("[a]: https://x.example/", "References"), ("[a]: <https://x.example/>", "References"),
        ("<https://x.example/>", "without < and >"), ("<mailto:a@x.example>", "without < and >"),
        ('<a href="https://x.example/">a</a>', "HTML"), ("<A HREF=x>a</A>", "HTML"), ("<img src=x>", "HTML"),
        ("[url=https://x.example/]a[/url]", "like this"), ("[url]https://x.example/[/url]", "like this"),
        ("[a](x.example)", "starts with https"), ("[a](www.x.example)", "starts with https"),
        ("[a](mailto:a@x.example)", "starts with https"), ("[a](/b)", "starts with https"),
        ("[a](https://u:p@x.example/)", "user name"), ("[a](https://)", "no host"),
        ("[a](HTTPS:x)", "starts with https"),
        ("[a](x{{ url }})", "starts with https"), ("[a](https://x.example/<b>)", "characters"),
        ("Go: {button: a | https://x.example/}", "alone on its line"),
        ("- {button: a | https://x.example/}", "alone on its line"),
        ("{Button: a | https://x.example/}", "alone on its line"),
        ("{button a | https://x.example/}", "alone on its line"),
        ("{button: a | x.example}", "starts with https"), ("{button:  | https://x.example/}", "alone on its line"),
        ("{button: [a](https://x.example/)}", "alone on its line"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused_with_what_to_write(source: str, message: str) -> None:
    for before, lines in (("", 1), ("One.\n\n", 3), ("{% if name %}\n{{ name }}\n{% endif %}\n", 4)):
        with pytest.raises(ContentError, match=r"Write|like this") as caught:
            Checked(Content("s", "h", f"{before}{source}\nand more"), {"name": "Ada", "url": "u"})
        assert message in str(caught.value)
        assert caught.value.line in (lines, lines + source.count("\n")), before


@pytest.mark.parametrize("field", ["subject", "heading"])
def test_a_subject_and_a_heading_hold_no_links(field: str) -> None:
    for source in ("[a](https://x.example/)", "<https://x.example/>", "{button: a | https://x.example/}", "![a](b)"):
        texts = {"subject": "s", "heading": "h", "body": "b"} | {field: f"News {source}"}
        with pytest.raises(ContentError) as caught:
            Checked(Content(**texts), {})
        assert caught.value.field == field
    assert Checked(Content("[News] {{ name }}", "More (soon)", "b"), {"name": "Ada"})
