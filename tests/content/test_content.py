"""Words that operators write: what is refused, with its line, and what the rest becomes."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from notifier.content import (
    Checked,
    Content,
    ContentError,
    Drawn,
    lay_out,
    parse,
    shape_of,
)
from notifier.content.markup import blocks_of
from notifier.content.sandbox import ENVIRONMENT, fill, guard, unguard
from notifier.content.schema import MAX_ENTRIES, Record, fit
from notifier.content.web_address import WrongAddressError, web_address
from notifier.emails import KINDS
from notifier.emails.announcement import Text
from notifier.emails.campaign_kind import CampaignKind
from notifier.emails.content_variables import offered
from notifier.rendering.render import Renderer

CASES = json.loads((Path(__file__).parent.parent / "data" / "template.json").read_text())

#: What the cases name; those that are allowed bring the same.
CONTEXT: dict[str, Any] = {
    "user": {"name": "Ann", "email": "a@x"},
    "items": [{"title": "t1"}, {"title": "t2"}],
    "unsubscribe_url": "https://n/u",
    "n": 3,
}
CAMPAIGN_KINDS = {name: kind for name, kind in KINDS.items() if isinstance(kind, CampaignKind)}


def read(source: str, context: dict[str, Any] = CONTEXT) -> str:
    """What a source becomes."""
    parse(source, {name: shape_of(value) for name, value in context.items()})
    return unguard(fill(ENVIRONMENT.from_string(source), fit(shape_of(context), context)))


def refused(source: str) -> ContentError:
    with pytest.raises(ContentError) as caught:
        read(source)
    return caught.value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_each_case_is_decided_as_it_must_be(case: dict[str, Any]) -> None:
    started = time.process_time()
    try:
        output: str | None = read(case["input"], case.get("context", CONTEXT))
    except ContentError:
        output = None
    assert case["expect"] == ("blocked" if output is None else "allowed")
    assert case.get("output") in {None, output}
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("source", "line", "words"),
    [
        ("One.\n\n{{ nme }}", 3, "`nme` is not available in this email."),
        ("{{ user.nme }}", 1, "Did you mean `name`?"),
        ("a\n{% if n %}\nb", 3, "Unexpected end of template"),
        ("a\nb\x00", 2, "cannot be shown"),
        ("{{ user }}", 1, "This has several parts. Choose one: `email`, `name`."),
        ("{{ items }}", 1, "A list cannot be printed directly"),
        ("{{ n and items }}", 1, "A list cannot be printed directly"),
        ("{% for item in items %}{{ loop }}{% endfor %}", 1, "This has several parts"),
        ("{% for user in items %}{% endfor %}", 1, "The name `user` is taken"),
        ("{% for item in n %}{% endfor %}", 1, "is not a list"),
        ("{% for a in items %}\n{% for b in items %}{% endfor %}{% endfor %}", 2, "Loops cannot be nested"),
        ("{% for item in items if item.title %}{% endfor %}", 1, "Write a loop like this"),
        ("{{ user.name > 3 }}", 1, "compare numbers only"),
        ("{{ items|join(', ') }}", 1, "Name the part to join"),
        ("{{ user.name|join(attribute='__class__') }}", 1, "cannot be used on this value"),
        ("{{ items|join(', ', attribute='__class__') }}", 1, "Name the part to join"),
        ("{{ user.name|truncate(n) }}", 1, "needs a number here"),
        ("{{ user.name|default(*items) }}", 1, "too many arguments"),
        ("{{ user.name|truncate(20, length=30) }}", 1, "twice"),
        ("{% autoescape false %}{% endautoescape %}", 0, "`autoescape` is not allowed"),
        ("{{ 'a' in user.name }}", 1, "Only texts and numbers can be compared"),
        ("{{ user.name is mapping }}", 1, "after `is`"),
        ("{{ 1e400 }}", 1, "too large"),
        ("{{ user.name if n }}", 1, "otherwise"),
        ("\U0010f001", 1, "cannot be shown"),
    ],
)
def test_what_is_refused_says_where_and_why(source: str, line: int, words: str) -> None:
    error = refused(source)
    assert error.line == line
    assert words in error.message


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{% for item in items %}{{ loop.index }}. {{ item.title }}{{ ', ' if not loop.last else '' }}{% endfor %}",
         "1. t1, 2. t2"),
        ("{{ items|join(', ', attribute='title') }}", "t1, t2"),
        ("{{ user['name']|upper }} {{ user.name|truncate(2) }}", "ANN A…"),
        ("{% raw %}{{ x }}{% endraw %}{# nothing #}", "{{ x }}"),
        ("{% if user.name and not n == 1 %}{{ -1 }}{% endif %}", "-1"),
        ("{% if user.name is defined %}\nHi\n{% endif %}\n", "Hi\n"),
        ("{{ user.name|e }} & <b>", "Ann & <b>"),
    ],
)  # fmt: skip
def test_what_is_allowed_works(source: str, output: str) -> None:
    assert read(source) == output


@pytest.mark.parametrize(
    "source",
    [
        "{{" + "(" * 5000 + "1" + ")" * 5000 + "}}",
        "{{ " + "-" * 100_000 + "1 }}",
        "{{ " + "1" * 200_000 + " }}",
        "{{ 0x" + "f" * 200_000 + " }}",
        "{% if n %}" * 3000 + "{% endif %}" * 3000,
        "{% if n %}" * 12 + "{% endif %}" * 12,
        "{{ " + "n and " * 40_000 + "n }}",
        "{{ " + "n and " * 40 + "n }}",
        "{{ user.name" + "|upper" * 30_000 + " }}",
        "{%" * 100_000,
        "{{ " + "[" * 20_000,
        "{{" + " " * 250_000,
        "{% raw " + " " * 250_000,
        "{#-" + "-" * 250_000,
        "{{ 1" + "_1" * 100_000 + " }}",
        "{{ n }}" * 30_000,
        "\n" * 5000,
        "ü" * 140_000,
    ],
    ids=range(18),
)
def test_what_is_meant_to_take_long_is_refused_quickly(source: str) -> None:
    started = time.process_time()
    refused(source)
    assert time.process_time() - started < 1


def test_a_loop_cannot_make_more_than_fits() -> None:
    source = "{% for item in items %}" + "x" * 200_000 + "{% endfor %}"
    with pytest.raises(ContentError, match="larger than 256 kB"):
        read(source)
    many = fit(shape_of(CONTEXT), CONTEXT | {"items": [{"title": "t"}] * 1000})
    assert len(many["items"]) == MAX_ENTRIES


def test_the_second_wall_holds_without_the_first() -> None:
    """What the list would have refused, in the sandbox alone."""
    for source in (
        "{{ user.__class__ }}", "{{ user.items() }}", "{{ user.pop('name') }}", "{{ items.append(1) }}",
        "{{ ''.__class__ }}", "{{ 'x'.upper() }}", "{{ range(3) }}", "{{ lipsum() }}", "{{ user['__class__'] }}",
        "{% for item in items %}{{ loop.cycle('a') }}{% endfor %}",
        "{% for item in items %}{{ loop.__init__ }}{% endfor %}",
        "{{ nobody }}",
    ):  # fmt: skip
        with pytest.raises(Exception, match=r"called|not offered|undefined"):
            fill(ENVIRONMENT.from_string(source), CONTEXT)
    for source in ("{{ 'a'|attr('x') }}", "{{ 'a'|safe }}", "{{ n is callable }}"):
        with pytest.raises(Exception, match=r"No (filter|test) named"):
            ENVIRONMENT.from_string(source)


HOSTILE = "[win](https://evil.example)\n\n- {content} {button: x | https://evil.example} ## *"


def test_a_value_is_never_taken_for_markup() -> None:
    words = Content(
        "Hi {{ user.name }}", "{{ user.name }}", "{{ user.name }}\n\n[Mr {{ user.name }}](https://a.example/)"
    )
    checked = Checked(words, {"user": {"name": "x"}})
    filled = lay_out(checked.draw({"user": {"name": HOSTILE + "\U0010f000"}}), strict=True)
    flat = HOSTILE.replace("\n", " ")
    assert filled.subject == f"Hi {' '.join(flat.split())}"
    first, second = filled.before
    assert [(span.text, span.url) for span in first.lines[0]] == [(flat, "")]
    assert [(span.text, span.url) for span in second.lines[0]] == [(f"Mr {flat}", "https://a.example/")]
    assert not filled.has_data


def test_the_markup() -> None:
    text = (
        "One\ntwo [three](https://a.example/?b=c&d) four.\n\n- x\n- y\n## Title\n{content}\n"
        "{button: Go on | https://a.example/}\n100% {braces} [no link] -no list"
    )
    found = [(block.kind, block.text) for block in blocks_of(text, strict=True)]
    assert found == [
        ("paragraph", "One\ntwo three <https://a.example/?b=c&d> four."),
        ("list", "* x\n* y"),
        ("title", "Title"),
        ("content", ""),
        ("button", "Go on:\n\nhttps://a.example/"),
        ("paragraph", "100% {braces} [no link] -no list"),
    ]


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example", "https:evil.example",
        "https://", "https://a@evil.example/", "https://a.example\\@evil.example/", "mailto:a@example.com", "/local",
        "https://a.example/\"onclick=x", "https://a.example/<b>", "https://[::1", "ftp://a.example/",
        "file:///etc/passwd", "https://a.example/\u200b",
    ],
)  # fmt: skip
def test_links_lead_to_the_web_or_nowhere(url: str) -> None:
    with pytest.raises(WrongAddressError):
        web_address(url)
    (block,) = blocks_of(f"see [x]({guard(url)})")
    assert all(span.url == "" for span in block.lines[0])
    words = Content("s", "h", "see [x]({{ url }})")
    with pytest.raises(ContentError, match="needs an address"):
        lay_out(Checked(words, {"url": "u"}).draw({"url": url}), strict=True)


def test_an_address_without_end_is_no_address() -> None:
    assert web_address("https://a.example/" + "x" * 1900)
    with pytest.raises(WrongAddressError, match="at most 2,000"):
        web_address("https://a.example/" + "x" * 2000)


@pytest.mark.parametrize(
    ("body", "content", "words"),
    [
        ("a\n[x](javascript:alert(1))", False, "Body, line 2: An address starts with https://"),
        ("a\n{button: x}", False, "Body, line 2: Write a button like this"),
        ("a\n{content}", False, "Body, line 2: This email has no data"),
        ("a", True, "Body: Add a line with {content}"),
        ("{content}\n{content}", True, "Body, line 2: {content} can be used only once."),
    ],
)
def test_markup_that_cannot_be_meant_is_refused_with_its_line(body: str, content: bool, words: str) -> None:
    with pytest.raises(ContentError) as caught:
        Checked(Content("s", "h", body), {}, has_data=content)
    assert str(caught.value).startswith(words)


def test_subject_and_heading_are_lines() -> None:
    for words, field in ((Content("", "h", "b"), "subject"), (Content("a\nb", "h", "b"), "subject"),
                         (Content("s", "x" * 1001, "b"), "heading")):  # fmt: skip
        with pytest.raises(ContentError) as caught:
            Checked(words, {})
        assert caught.value.field == field
    with pytest.raises(ContentError, match="The subject is empty for this person"):
        lay_out(Drawn(" ", "h", "b"))
    with pytest.raises(ContentError, match="The email is empty for this person"):
        lay_out(Drawn("s", "", "\n\n"))


@pytest.mark.parametrize("name", CAMPAIGN_KINDS)
def test_what_each_kind_begins_with_is_allowed(name: str) -> None:
    kind = CAMPAIGN_KINDS[name]
    names = offered(kind)
    settings = Text(
        subject="All {{ new", heading="New", paragraphs=("- a [b](javascript:c)", "{content} | {% x %}"),
        button_text="Go | on }", button_url="https://a.example/{x}",
    ) if name == "announcement" else kind.Settings()  # fmt: skip
    filled = lay_out(Checked(kind.content(settings), names, has_data=kind.has_data).draw(names), strict=True)
    assert filled.has_data is kind.has_data
    if name == "announcement":
        assert filled.subject == "All {{ new"
        assert filled.text_before == (
            "Hello Ada,\n\n- a [b](javascript:c)\n\n{content} | {% x %}\n\nGo | on }:\n\nhttps://a.example/%7Bx%7D"
        )


def test_html_and_text_say_the_same_and_escape() -> None:
    renderer = Renderer(Path(__file__).resolve().parents[2] / "templates")
    words = Content(
        "S",
        "<b>H</b>",
        "Hi {{ user.name }} <script>\n\n{content}\n\n- one\n\n{button: Go | https://a.example/?a=1&b=2}",
    )
    filled = lay_out(Checked(words, {"user": {"name": ""}}, has_data=True).draw({"user": {"name": "<i>"}}))
    common = {
        "product": "Notifier", "public_url": "https://n.example", "locale": "en", "postal_address": "Here",
        "category_reason": "Because.", "unsubscribe_url": None, "preferences_url": None, "recipient_name": "",
        "summary": "4 likes", "since": "Monday", "more": "", "older": "", "home_url": "u",
        "lines": [("Ada", "liked", "“Tea”", "Monday")],
    }  # fmt: skip
    rendered = renderer.render_content("activity_digest", filled, common)
    assert rendered.text.startswith(
        "<b>H</b>\n\nHi <i> <script>\n\n* Ada liked “Tea”\n  Monday\n\n* one\n\nGo:\n\nhttps://a.example/?a=1&b=2\n\n---\n"
    )
    for part in (
        "&lt;b&gt;H&lt;/b&gt;",
        "Hi &lt;i&gt; &lt;script&gt;",
        "“Tea”",
        ">one</li>",
        'href="https://a.example/?a=1&amp;b=2"',
    ):
        assert part in rendered.html
    assert "<script>" not in rendered.html
    assert rendered.html.index("“Tea”") < rendered.html.index(">one</li>")
    empty = renderer.render_content("activity_digest", filled, common, "Here it is")
    assert "Here it is" in empty.text
    assert "Here it is" in empty.html


# --- how long it can take ---------------------------------------------------------------------------------

LISTS = {"user": {"name": "x"}, "names": ["x"]}
LONGEST = {"user": {"name": "a " * 1000}, "names": ["a " * 1000] * MAX_ENTRIES}


def in_a_loop(expression: str, count: int) -> str:
    return "{% for x in names %}" + written(expression, count) + "{% endfor %}"


def written(expression: str, count: int) -> str:
    return f"{{% if {expression} %}}a{{% endif %}}" * count


#: How it is written, how often at most it is accepted, about. It took 20 s of the sender before there was a limit.
DEAREST = [
    (in_a_loop, "x|upper == 'q'", 120),
    (in_a_loop, "x|title == 'q'", 4),
    (in_a_loop, "names|join == 'q'", 30),
    (written, "names|join|title == 'q'", 4),
    (written, "names|join(', ')|lower|upper|lower|upper|lower|upper|lower", 34),
]
dearest = pytest.mark.parametrize(("write", "expression", "count"), DEAREST)


@dearest
def test_what_is_accepted_takes_the_sender_less_than_a_second(
    write: Callable[[str, int], str], expression: str, count: int
) -> None:
    checked = Checked(Content("S", "H", write(expression, count)), LISTS)
    started = time.process_time()
    checked.draw(LONGEST)
    assert time.process_time() - started < 1


@dearest
def test_three_times_as_much_is_refused_with_its_line(
    write: Callable[[str, int], str], expression: str, count: int
) -> None:
    with pytest.raises(ContentError, match=r"too much to compute|Too many expressions") as caught:
        Checked(Content("S", "H", "first line\n" + write(expression, 3 * count)), LISTS)
    assert (caught.value.field, caught.value.line) == ("body", 2)


def test_usual_content_is_far_from_the_limit() -> None:
    entry = "- {{ x|title|truncate(60) }}{% if not loop.last %},{% endif %}{% if x == 'a' %} (first){% endif %}\n"
    Checked(
        Content("{{ user.name|title }}", "{{ names|join(', ') }}", f"{{% for x in names %}}{entry * 2}{{% endfor %}}"),
        LISTS,
    )


def test_what_a_kind_gives_is_cut_to_what_it_offers() -> None:
    shape = Record({"user": shape_of({"name": "x"}), "n": shape_of(1)})
    assert fit(shape, {"user": {"name": None, "password_hash": "x"}, "n": 2, "secret": 1}) == {
        "user": {"name": ""}, "n": 2,
    }  # fmt: skip
    with pytest.raises(TypeError):
        fit(shape, {"user": {"name": "x"}, "n": "many"})
    with pytest.raises(KeyError):
        fit(shape, {"n": 2})


ESCAPES = [
    "{{ '\\ud800' }}",
    "{{ '\\x00' }}",
    "{% if user.name == '\\u2028' %}a{% endif %}",
    "{{ user.name|default('\\ufffe') }}",
]


@pytest.mark.parametrize("source", ESCAPES)
def test_an_escape_writes_no_character_that_cannot_be_shown(source: str) -> None:
    with pytest.raises(ContentError) as refused:
        Checked(Content("S", "H", f"first\n\n{source}"), {"user": {"name": ""}})
    assert "cannot be shown" in refused.value.message
