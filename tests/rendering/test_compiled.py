"""Compiled kinds: what is filled in is what would have been rendered, and what cannot be compiled is rendered."""

import random
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from jinja2 import UndefinedError
from markupsafe import Markup

from bench.mails import TEMPLATES
from notifier.mail import message
from notifier.mail.header_check import verify_header_block
from notifier.mail.header_fields import UnsafeHeader
from notifier.mail.mime import EncodedBody, as_given, quoted_lines, quoted_printable
from notifier.rendering import render
from notifier.rendering.compiled import kind as compiled
from notifier.rendering.compiled.forms import Segments, encode_values
from notifier.rendering.compiled.kind import MAX_SHAPES, CompiledKind
from notifier.rendering.compiled.marked_render import Mark
from notifier.rendering.compiled.syntax_tree import NotFlat
from notifier.rendering.compiled.values import Unfit
from notifier.rendering.render import Rendered, Renderer
from notifier.testing.applications import merge_templates
from tests.mail.test_message import PLAIN

LAYOUT = """<!doctype html><html><head><title>{{ subject }}</title></head><body>
<p>{% block content %}{% endblock %}</p>
{% if note %}<p title="{{ note }}">{{ note }}</p>{% elif not name %}<p>nobody</p>{% endif %}
{% for _ in range(3) %}&nbsp;{% endfor %}<p>{{ product|upper }} {{ product }}</p></body></html>
"""
TEXT_LAYOUT = """{%- filter wordwrap(40, break_long_words=false, break_on_hyphens=false) -%}
{%- block content -%}{%- endblock %}

A line that never changes and is much longer than forty characters.
{%- if note %}

Note: {{ note }}
{%- endif %}
-- {{ product }}
{% endfilter %}{{ "\\n" }}
"""
PARTS = """{% set sign = "!" %}
{% macro greeting(name) -%}<b>Hello{% if name %} <bdi>{{ name }}</bdi>{% endif %}{{ sign }}</b>{%- endmacro %}
{% macro figure(value, caption="", url="x") -%}<a href="{{ url }}">{{ value }}</a> <i>{{ caption }}</i>{%- endmacro %}
{% macro bar(share) -%}{% set w = share|int %}<i title="{{ w }}%">{% if w > 9 %}wide{% endif %}</i>{%- endmacro %}
"""
BODY = """{% extends "_layout/base.html" %}{% import "_layout/parts.html" as parts %}
{% block content %}{{ parts.greeting(name) }}<b>{{ count }}</b>{{ count }}{{ "it's " ~ name }}
<a href="{{ url }}">{{ name or "friend" }}</a>
{{ parts.figure(count, "in " ~ month, url=url) }}{{ name|e }}{% endblock %}
"""
TEXT = """{%- extends "_layout/base.txt" -%}{%- block content -%}
{{ name }}
Dear {{ name or "friend" }}, this is line with {{ count }} things in {{ month }}, which is long enough.
{{ url }}
A constant line between.
.{{ name }}. {{ month }}
{%- endblock -%}
"""
FILES = {
    "_layout/base.html": LAYOUT,
    "_layout/base.txt": TEXT_LAYOUT,
    "_layout/parts.html": PARTS,
    "news/subject.txt": "{{ name or 'You' }}: {{ count }}  in\n {{ month }}",
    "news/body.txt": TEXT,
    "news/body.html": BODY,
}
CONTEXT: dict[str, Any] = {
    "name": "Ada",
    "count": 3,
    "month": "May",
    "url": "https://app.example.com/?a=b&c=d",
    "note": None,
    "product": "Acme",
}
PIECES = [
    *"=~.<>&\"' \t\nabc-", "é", "日本", "\U0001f600", "\u2028", "\x0b", "\x85", "\x00", "=\n", "\n.\n", "word " * 20,
    "x" * 80, "\U0010f000\U0010f100&\U0010f001", "{{ name }}", "&amp;", "From ", "=20", " \n",
]  # fmt: skip
#: Which the holes cannot take.
UNFIT = ["\r", "\r\n", "~\n", "\n~\n", "\ud800"]


def folder_with(tmp_path: Path, **changes: str) -> Path:
    for name, content in (FILES | changes).items():
        path = tmp_path / "emails" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path)


@pytest.fixture(autouse=True)
def _no_differences() -> Iterator[None]:
    """A shape that differs from its own mail is found when it is compiled; here none may."""
    with mock.patch.object(compiled.log, "error", side_effect=AssertionError):
        yield


def uncompiled(folder: Path) -> Renderer:
    """Renders every mail by Jinja."""
    renderer = Renderer(folder)
    with mock.patch.object(render, "CompiledKind", side_effect=NotFlat):
        for kind in renderer.kinds():
            renderer.version(kind)
    return renderer


def is_filled(rendered: Rendered) -> bool:
    return not isinstance(as_given(rendered, "html"), str)


def words(rendered: Rendered) -> tuple[str, str, str]:
    """As a reader of the mail gets them."""
    parts = [rendered.text, rendered.html]
    text, html = [re.sub("\r\n?", "\n", part).encode("utf-8", "replace").decode() for part in parts]
    return rendered.subject, text, html


def assert_sound(rendered: Rendered) -> None:
    """RFC 2045 6.7, and the whole mail as the standard library reads it."""
    for name in ("text", "html"):
        data = as_given(rendered, name)
        assert isinstance(data, EncodedBody)
        lines = data.data.split(b"\r\n")
        assert max(map(len, lines)) <= 76
        assert all(re.fullmatch(rb"(?:[\t !-<>-~]|=[0-9A-F]{2})*=?", line) for line in lines)
        assert not any(line.endswith((b" ", b"\t")) for line in lines)
        assert not data.data.endswith((b"=", b"=\r\n"))
    mail = message_from_bytes(message.build(message.Message(**{**vars(PLAIN), **bodies(rendered)})))
    decoded = [part.get_payload(decode=True).decode().replace("\r\n", "\n") for part in mail.get_payload()]
    assert decoded == [rendered.text, rendered.html]


def bodies(rendered: Rendered) -> dict[str, Any]:
    return {name: as_given(rendered, name) for name in ("text", "html")}


def random_value(dice: random.Random) -> object:
    if dice.random() < 0.25:
        return dice.choice(["", 0, None, True, False, 7, 1.5, 0.0, -0.0, 10**30])
    several = PIECES + (UNFIT if dice.random() < 0.05 else [])
    return "".join(dice.choices(several, k=dice.randint(0, 12)))


@pytest.mark.parametrize("seed", range(8))
def test_whatever_the_values_a_filled_mail_is_the_rendered_mail(folder: Path, seed: int) -> None:
    dice = random.Random(seed)
    quick, slow = Renderer(folder), uncompiled(folder)
    filled = 0
    for _ in range(250):
        context = {name: random_value(dice) for name in CONTEXT} | {"product": "Acme"}
        mine, theirs = quick.render("news", context), slow.render("news", context)
        assert words(mine) == words(theirs)
        if is_filled(mine):
            assert_sound(mine)
            filled += 1
    assert filled > 60


@pytest.mark.parametrize("kind", ["bench", "verification", "account_exists"])
def test_our_own_kinds_are_filled(tmp_path: Path, kind: str) -> None:
    merged = merge_templates(tmp_path / "templates", TEMPLATES)
    quick, slow, dice = Renderer(merged), uncompiled(merged), random.Random(kind)
    names = ["recipient_name", "month", "views", "likes", "comments", "friends", "shares", "countries", "rank"]
    names += ["best_day", "favourite", "favourite_views", "profile_url", "verify_url", "not_me_url", "signin_url"]
    names += ["preferences_url", "unsubscribe_url"]
    settled = {"product": "Acmé & Sons", "public_url": "https://x", "category_reason": "So.", "postal_address": "A, B"}
    filled = 0
    for hours in [1, 24] * 50:
        context = settled | {name: random_value(dice) for name in names} | {"hours_valid": hours, "own_signup": True}
        mine, theirs = quick.render(kind, context), slow.render(kind, context)
        assert words(mine) == words(theirs)
        if is_filled(mine):
            assert_sound(mine)
            filled += 1
    assert filled > 20


def test_the_first_mail_of_a_shape_is_rendered_and_the_next_is_filled(folder: Path) -> None:
    renderer = Renderer(folder)
    shapes: list[dict[str, Any]] = [{}, {"note": "x"}, {"name": ""}, {"name": None}, {"name": 0}, {"product": "B"}]
    for change in shapes:
        assert [is_filled(renderer.render("news", CONTEXT | change)) for _ in range(2)] == [False, True]
    others: list[dict[str, Any]] = [{"name": "B"}, {"name": 7}, {"count": ""}, {"count": None}, {"month": 0.0}]
    for change in others:
        assert is_filled(renderer.render("news", CONTEXT | change))
    assert "Acme" in renderer.render("news", CONTEXT).html
    assert "Acme" not in renderer.render("news", CONTEXT | {"product": "B"}).html


FALLBACKS: dict[str, tuple[str, dict[str, Any]]] = {
    "a loop over data": ("{% for x in items %}<i>{{ x }}</i>{% endfor %}", {"items": [("a", 1), ("b", 2)]}),
    "a loop over other things": ("{% for x in items %}<i>{{ x }}</i>{% endfor %}", {"items": [1, b"x"]}),
    "a loop over rows of another length": (
        "{% for x, y in items %}<i>{{ x }}{{ y }}</i>{% endfor %}",
        {"items": ["ab", ("a", 1)]},
    ),
    "a loop that knows its place": ("{% for x in items %}{{ loop.index }}{% endfor %}", {"items": ["a"]}),
    "a loop that is filtered": ("{% for x, y in items if y %}{{ x }}{% endfor %}", {"items": [("a", 1)]}),
    "a fraction of none in a row": ("{% for x in items %}{{ x or 'no' }}{% endfor %}", {"items": [-0.0]}),
    "a loop over markup": ("{% for x in items %}<i>{{ x }}</i>{% endfor %}", {"items": ["a", Markup("<b>")]}),
    "an attribute": ("{{ items.a }}", {"items": {"a": 1}}),
    "a value with markup": ("{{ html }}", {"html": Markup("<b>x</b>")}),
    "a list": ("{{ items }}", {"items": [1]}),
    "a value that is not escaped": ("{{ name|safe }}", {}),
    "escaped twice": ("{{ name|forceescape|e }}{{ name|random }}", {}),
    "a filter that gives what it likes": ("{{ name|random }}", {}),
    "a block with a filter": ("{% filter upper %}{{ name }}{% endfilter %}", {}),
    "a zero that has a sign": ("{{ zero or 'none' }}", {"zero": -0.0}),
    "a compared fraction": ("{{ 'x' if half > 0.1 }}", {"half": 0.5}),
    "the subject": ("{{ subject|upper }}", {}),
    "a function": ("{{ call() }}", {"call": lambda: "x"}),
    "a carriage return": ("{{ line }}", {"line": "a\r\nb"}),
    "a lone surrogate": ("{{ line }}", {"line": "a\ud800b"}),
    "an import that sees the mail": ('{% import "_layout/parts.html" as p with context %}{{ p.figure(1) }}', {}),
    "characters of ours": ("\U0010f001", {}),
    "a scope": ("{% autoescape false %}{{ name }}{% endautoescape %}", {}),
    "an own macro": ("{% macro m() %}{{ name }}{% endmacro %}{{ m()|upper }}", {}),
}


@pytest.mark.parametrize(("content", "values"), FALLBACKS.values(), ids=FALLBACKS)
def test_what_cannot_be_compiled_is_rendered_as_ever(tmp_path: Path, content: str, values: dict[str, Any]) -> None:
    folder = folder_with(tmp_path, **{"news/body.html": BODY.replace("<b>{{ count }}</b>", f"<b>{content}</b>")})
    renderer, slow, context = Renderer(folder), uncompiled(folder), CONTEXT | values
    with mock.patch("random.choice", side_effect=lambda seq: seq[0]):
        for _ in range(3):
            rendered = renderer.render("news", context)
            assert not is_filled(rendered)
            assert rendered == slow.render("news", context)


LOOKS = {
    "a comparison": "{{ 'many' if count > 2 else 'few' }}",
    "a filter": "{{ month|upper }} {{ month|length }}",
    "arithmetic": "{{ count * 2 }}",
    "in a macro": "{{ parts.bar(count) }}",
    "joined and tested in a macro": "{{ parts.greeting('' ~ name) }}",
    "a joined text under or": "{{ ('' ~ month) or 'none' }}",
    "a negation": "{{ not count }} {{ not (count and month) }}",
    "none": "{% if count is none %}none{% endif %}{{ month is none }}",
    "a name that is set": "{% set x = month ~ '!' %}{{ x }}{% if x == 'May!' %}yes{% endif %}",
    "a name that is set at times": "{% if note %}{% set count = 7 %}{% endif %}{{ count }}",
    "what a macro gives": "{{ parts.greeting(name)|length }}",
    "a loop over texts": "{% for x in items %}<i>{{ x }}{{ name }}</i>{% else %}none{% endfor %}{{ items }}",
    "a filter of texts": "{{ items|first|default('')|truncate(3) }}{{ items|length }}",
    "a loop over a word": "{% for c in month %}{{ c }}{{ name }}{% endfor %}",
    "a default": "{{ count|default('x') }}{{ month|default(name, true) }}",
    "a test": "{{ count is string }}{{ month is number }}",
    "a slice": "{{ month[:2] }}",
    "membership": "{{ 'a' in month }}",
    "format": "{{ '%s-%s'|format(month, name) }}",
}


@pytest.mark.parametrize("content", LOOKS.values(), ids=LOOKS)
def test_a_value_that_is_looked_into_is_part_of_the_shape(tmp_path: Path, content: str) -> None:
    body = BODY.replace("<b>{{ count }}</b>", f"<b>{content}</b>")
    folder = folder_with(tmp_path, **{"news/body.html": body})
    renderer, slow = Renderer(folder), uncompiled(folder)
    values = {
        "count": [0, 1, 2, 3, True, "1", "3", ""],
        "month": ["", "May", "june", "0"],
        "items": [[], ["a"], ["a", "b"], ["b", "a"], ("b", "a"), ["<&b", "é" * 9], ["", ""]],
        "name": ["", "Ada", "<b>"],
        "note": [None, "n"],
    }
    dice = random.Random(content)
    filled = 0
    for _ in range(150):
        context = CONTEXT | {name: dice.choice(several) for name, several in values.items()}
        try:
            expected = slow.render("news", context)
        except TypeError:
            with pytest.raises(TypeError):
                renderer.render("news", context)
            continue
        mine = renderer.render("news", context)
        filled += is_filled(mine)
        assert words(mine) == words(expected)
    assert filled


TEXTS = {
    "no wrapping": ("Dear {{ name }},\n{{ url }}\nbye", True),
    "only values": ("{{ name }}\n{{ url }}\n", False),
    "a value at the end": ("Dear {{ name }}", False),
    "a value at the end of what is wrapped": ("{% filter wordwrap(20) %}a\n{{ name }}{% endfilter %}{{ '\n' }}", False),
    "a last wrapped line with a value": ("{% filter wordwrap(20) %}a\n{{ name }}\n{% endfilter %}", False),
    "lines behind what is wrapped": ("{% filter wordwrap(20) %}{{ name }}\n{% endfilter %}{{ '\n' }}x", True),
    "a value behind what is wrapped": ("{% filter wordwrap(20) %}a\n{{ name }}\n{% endfilter %}\n{{ url }}\n", False),
    "text before what is wrapped": ("Dear{% filter wordwrap(20) %}a\n{{ name }}\n{% endfilter %}\n", False),
    "nothing wrapped": ("{% filter wordwrap(20) %}a b{% endfilter %}\n", True),
    "a wrapped value": ("Dear {{ name|wordwrap(9) }}\n", False),
    "broken words": ("{% filter wordwrap(20, true) %}a{{ name }}\n{% endfilter %}\n", None),
}


@pytest.mark.parametrize(("text", "compiles"), TEXTS.values(), ids=TEXTS)
def test_shapes_of_text_parts(tmp_path: Path, text: str, compiles: bool | None) -> None:
    folder = folder_with(tmp_path, **{"news/body.txt": text})
    renderer, slow = Renderer(folder), uncompiled(folder)
    for name in ("Ada", "Ada", "a\n\n", "\n", " ", "word " * 9, "~~~\n~~~", "\x0c"):
        context = CONTEXT | {"name": name}
        if compiles is None:
            with pytest.raises(ValueError, match="never broken"):
                renderer.render("news", context)
            continue
        mine = renderer.render("news", context)
        assert words(mine) == words(slow.render("news", context))
    assert compiles is None or is_filled(renderer.render("news", CONTEXT)) is compiles


def test_a_missing_name_is_an_error_in_a_known_shape_too(folder: Path) -> None:
    renderer = Renderer(folder)
    for _ in range(2):
        renderer.render("news", CONTEXT)
    for missing in CONTEXT:
        with pytest.raises(UndefinedError):
            renderer.render("news", {name: value for name, value in CONTEXT.items() if name != missing})


def test_a_name_that_the_template_sets_at_times_is_missing_at_times(tmp_path: Path) -> None:
    content = "{% if note %}{% set w = note %}{% endif %}{{ w }}"
    renderer = Renderer(folder_with(tmp_path, **{"news/body.html": BODY.replace("<b>{{ count }}</b>", content)}))
    for _ in range(2):
        assert "None" in renderer.render("news", CONTEXT | {"w": None}).html
    with pytest.raises(UndefinedError):
        renderer.render("news", CONTEXT)


def test_there_are_not_too_many_shapes(folder: Path) -> None:
    renderer = Renderer(folder)
    with mock.patch.object(CompiledKind, "_compile", autospec=True, side_effect=CompiledKind._compile) as compiling:
        for number in range(MAX_SHAPES + 20):
            assert str(number) in renderer.render("news", CONTEXT | {"product": str(number)}).html
    assert compiling.call_count == MAX_SHAPES
    assert is_filled(renderer.render("news", CONTEXT | {"product": "3"}))
    assert not is_filled(renderer.render("news", CONTEXT | {"product": str(MAX_SHAPES + 1)}))


def test_shapes_of_campaigns_gone_by_make_room(folder: Path) -> None:
    """In a worker that lives for long; where each shape fills a mail or two, they stay."""
    renderer = Renderer(folder, emails_per_shape=10)

    def campaign(number: int, mails: int) -> list[bool]:
        context = CONTEXT | {"product": f"Product {number}"}
        return [is_filled(renderer.render("news", context)) for _ in range(mails)]

    for number in range(MAX_SHAPES):
        campaign(number, 9)
    assert campaign(MAX_SHAPES, 2) == [False, False]
    campaign(1, MAX_SHAPES)
    assert campaign(MAX_SHAPES, 2) == [False, True]


def test_a_compiled_mail_that_differs_is_not_used(folder: Path) -> None:
    renderer = Renderer(folder)
    with (
        mock.patch.object(compiled.log, "error") as error,
        mock.patch.object(Segments, "fill", return_value=b"something else"),
    ):
        renderer.render("news", CONTEXT)
    assert error.call_count == 1
    assert not is_filled(renderer.render("news", CONTEXT))


def test_development_drops_what_was_compiled_from_another_template(folder: Path) -> None:
    renderer = Renderer(folder, auto_reload=True, reload_seconds=0)
    assert is_filled([renderer.render("news", CONTEXT) for _ in range(2)][1])
    layout = folder / "emails/_layout/base.html"
    layout.write_text(LAYOUT.replace("nobody", "no one").replace("<p>", "<p>new "))
    for filled in (False, True):
        rendered = renderer.render("news", CONTEXT)
        assert "new " in rendered.html
        assert is_filled(rendered) is filled


def test_many_threads_get_their_own_mails(folder: Path) -> None:
    renderer, slow = Renderer(folder), uncompiled(folder)
    contexts = [CONTEXT | {"name": f"n{number}" * (number % 3), "count": number} for number in range(60)]
    expected = [words(slow.render("news", context)) for context in contexts]
    wrong: list[int] = []

    def work(start: int) -> None:
        for place in range(start, start + 300):
            if words(renderer.render("news", contexts[place % 60])) != expected[place % 60]:
                wrong.append(place)

    threads = [threading.Thread(target=work, args=(7 * number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_a_mark_can_be_printed_and_nothing_else() -> None:
    mark = Mark(3)
    assert bool(mark)
    assert "".join(["a", mark]) == f"a{str.__str__(mark)}"
    for use in (
        len, iter, hash, repr, lambda m: m == "x", lambda m: m < "x", lambda m: m + "x", lambda m: m[0],
        lambda m: m % 1, lambda m: m * 2, lambda m: f"{m}", lambda m: m.upper(), lambda m: m.split(),
        lambda m: "x" in m, lambda m: m.encode(), lambda m: m.isdigit(), lambda m: m.replace("a", "b"),
    ):  # fmt: skip
        with pytest.raises(NotFlat):
            use(mark)


def test_a_value_stands_between_soft_line_breaks() -> None:
    values = ["", " ", ".", "a" * 75, "a" * 76, "=" * 30, "end ", "two\nlines ", "~", "é" * 40]
    for encoded, value in zip(encode_values(values, escaped=False), values, strict=True):
        *lines, last = encoded.split(b"\r\n")
        assert len(last) <= 75 and all(len(line) <= 76 for line in lines)  # noqa: PT018 - one fact
        assert EncodedBody(b"=\r\n" + encoded + b"=\r\n|").text() == f"{value}|"
    with pytest.raises(Unfit):
        encode_values(["a~\nb"], escaped=False)


def test_lines_that_need_no_encoding() -> None:
    dice = random.Random(5)
    for _ in range(300):
        line = "".join(dice.choices([*"ab .=", "é", "word"], k=dice.randint(0, 90))).rstrip()
        data = "\r\n".join([line, "x" * 60, "y" * dice.randint(0, 90)] * 8).encode() + b"\r\n"
        encoded = quoted_lines(data)
        assert max(map(len, encoded.split(b"\r\n"))) <= 76
        assert EncodedBody(encoded).text().encode() == data.replace(b"\r\n", b"\n")


def test_no_line_begins_with_a_dot() -> None:
    """SMTP doubles such dots; mail that has none goes out as it is. What a reader sees stays the same."""
    dice = random.Random(9)
    texts = [
        ".",
        "..",
        ".\n.",
        "." * 200,
        "a\n" + "." * 76 + "b",
        ".button { }",
        "." + "x" * 80,
        ".\u00e9" * 40,
        "x" * 75 + ".",
    ]
    texts += ["".join(dice.choices([".", "..", "\n", " ", "ab", "=", "\u00e9", "x" * 70], k=40)) for _ in range(500)]
    for text in texts:
        encoded = quoted_printable(text)
        assert not any(line.startswith(b".") for line in encoded.split(b"\r\n")), text
        assert max(map(len, encoded.split(b"\r\n"))) <= 76
        assert EncodedBody(encoded).text() == text
        # The short way looks at long data only.
        for padding in ("", "z" * 60 + "\n", ("z" * 60 + "\n") * 8):
            data = (padding + text + "\n").replace("\n", "\r\n").encode()
            assert b"\r\n." not in b"\r\n" + quoted_lines(data), (padding, text)


def test_the_short_way_through_the_header_check_is_no_wider() -> None:
    head = message.build(PLAIN).partition(b"\r\n\r\n")[0] + b"\r\n"
    assert message._PLAIN_HEAD.match(head)
    dice = random.Random(822)
    spots = [b"\r\n", b"\r", b"\n", b"\r\n ", b"\r\n\t", b"\r\nBcc: x@y", b"\x00", b"\xc3", b"=?", b" ", b":",
             b"x" * 999, b"\r\nTo: z", b"\x7f", b"\r\n\r\n"]  # fmt: skip
    passed = 0
    for _ in range(20_000):
        at, until = dice.randint(0, len(head)), dice.randint(0, 3)
        broken = head[:at] + dice.choice(spots) + head[at + until :]
        if message._PLAIN_HEAD.match(broken) and b"=?" not in broken:
            verify_header_block(broken)
            passed += 1
    assert passed > 500


def test_encoded_words_always_go_through_the_whole_header_check() -> None:
    with mock.patch.object(message, "verify_header_block") as verify:
        message.build(replace(PLAIN, recipient_name="Ada"))
        assert verify.call_count == 0
        message.build(replace(PLAIN, recipient_name="Zoë"))
        assert verify.call_count == 1
    with pytest.raises(UnsafeHeader):
        message.build(replace(PLAIN, headers=(("Bcc", "b@example.com"),)))
