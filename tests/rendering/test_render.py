"""Rendering: escaping where it belongs, styles inlined once, templates that cannot be inlined refused."""

import re
import time
from html import unescape
from pathlib import Path
from typing import Any
from unittest import mock

import css_inline
import pytest
from jinja2 import (
    DictLoader,
    Environment,
    StrictUndefined,
    TemplateNotFound,
    TemplateSyntaxError,
    UndefinedError,
)
from jinja2.filters import do_wordwrap

from notifier.rendering import inline_css
from notifier.rendering.render import Renderer
from notifier.rendering.wrap import wordwrap

ROOT = Path(__file__).resolve().parent.parent.parent
LAYOUT = """{# Layout #}<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ subject }}</title>
<style>
.card { padding: 8px; color: #111111; }
.card p { margin: 0 0 16px; }
a.button { color: #ffffff; }
tr.row td { border-bottom: 1px solid #dddddd; }
.bar { height: 10px; }
@media (max-width: 480px) { .card { padding: 2px !important; } }
@media (prefers-color-scheme: dark) { .card { color: #eeeeee !important; } }
</style></head>
<body><!--[if mso]><table width="{{ width }}"><tr><td><![endif]-->
<div class="card">{% block preheader %}<p>default</p>{% endblock %}
{% block content %}{% endblock %}</div>
{% if note %}<p>{{ note }}</p>{% else %}<p>no note</p>{% endif %}
<!--[if mso]></td></tr></table><![endif]-->
</body></html>
"""
PARTS = """{% macro button(label, url) -%}
<a class="button" href="{{ url }}">{{ label }}</a>
{%- endmacro %}
"""
BODY = """{% extends "_layout/base.html" %}
{% import "_layout/parts.html" as parts %}
{% block preheader %}{{ super() }}<p>Hello {{ name }}</p>{% endblock %}
{% block content %}
<p title='{{ "1 > 0" if name else "x" }}'>Hello {{ name }}, {{ "{%" }} {% raw %}{{ raw }}{% endraw %}</p>
{{ parts.button("Go & see", url) }}
<table><tr class="head"><th>What</th></tr>
{% for item in items %}{% if item.n > 1 %}
<tr class="row"><td><div class="bar" style="width: {{ item.n }}%"></div>{{ item.title }}</td></tr>
{% endif %}{% endfor %}
</table>
{% set total = items|length %}{{ total }}{# a comment with <b> #}
{% endblock %}
"""
CONTEXT: dict[str, Any] = {
    "name": "{{7*7}} O'Brien & Co <b>",
    "url": "https://app.example.com/verify/abc?x=1&y=2",
    "items": [{"n": 1, "title": "one"}, {"n": 2, "title": "<two>"}, {"n": 3, "title": "three"}],
    "note": None,
    "width": 600,
}
FILES = {
    "_layout/base.html": LAYOUT,
    "_layout/parts.html": PARTS,
    "_layout/base.txt": "{% block content %}{% endblock %}\n-- \nAcme\n",
    "news/subject.txt": "\n  News for\n {{ name }} \n",
    "news/body.txt": '{% extends "_layout/base.txt" %}{% block content %}Hello {{ name }}: {{ url }}{% endblock %}',
    "news/body.html": BODY,
}


def folder_with(tmp_path: Path, **changes: str) -> Path:
    for name, content in (FILES | changes).items():
        path = tmp_path / "emails" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return folder_with(tmp_path)


def squeezed(html: str) -> str:
    """Without white space next to tags and in declarations, which inlining may change."""
    html = re.sub(r"\s+", " ", unescape(html))
    return re.sub(r"(?<=[:;]) | ?(?=[<]) ?|(?<=[>]) ", "", html)


def slow_way(context: dict[str, Any], kind: str = "news", files: dict[str, str] = FILES) -> str:
    """Render first, inline then: what must come out, at the cost of an HTML parser for each mail."""
    environment = Environment(loader=DictLoader(files), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template(f"{kind}/body.html").render(context)
    return css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False).inline(page)


def test_text_is_verbatim_and_html_is_escaped_and_data_is_no_template(folder: Path) -> None:
    rendered = Renderer(folder).render("news", CONTEXT)
    assert rendered.subject == "News for {{7*7}} O'Brien & Co <b>"
    assert rendered.text.startswith("Hello {{7*7}} O'Brien & Co <b>: https://app.example.com/verify/abc?x=1&y=2\n")
    assert "Hello {{7*7}} O&#39;Brien &amp; Co &lt;b&gt;" in rendered.html
    assert 'href="https://app.example.com/verify/abc?x=1&amp;y=2"' in rendered.html
    assert "<title>News for {{7*7}} O&#39;Brien &amp; Co &lt;b&gt;</title>" in rendered.html
    assert "{{ raw }}" in rendered.html
    assert "a comment" not in rendered.html


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"items": []},
        {"note": "A note"},
        {"name": ""},
        {"items": [{"n": 2, "title": "x"}]},
        {"name": '">zqj1jqz<!--'},
    ],
)
def test_inlining_before_equals_inlining_after(folder: Path, change: dict[str, Any]) -> None:
    context = CONTEXT | change
    rendered = Renderer(folder).render("news", context)
    assert squeezed(rendered.html) == squeezed(slow_way(context | {"subject": rendered.subject}))


def test_styles_are_on_the_elements_and_media_rules_in_the_head(folder: Path) -> None:
    html = Renderer(folder).render("news", CONTEXT).html
    assert html.count("border-bottom: 1px solid #dddddd") == 2
    assert re.search(r'<a class="button"[^>]* style="color: #ffffff;"', html)
    assert re.search(r'class="bar" style="height: 10px;\s*width: 2%;?"', html)
    head = html.partition("</head>")[0]
    assert head.count("@media") == 2
    assert ".card p" not in head


def test_no_html_is_parsed_for_a_mail(folder: Path) -> None:
    renderer = Renderer(folder)
    first = renderer.render("news", CONTEXT)
    with (
        mock.patch.object(inline_css, "inline_page", side_effect=AssertionError),
        mock.patch.object(Path, "read_bytes", side_effect=AssertionError),
        mock.patch("os.stat", side_effect=AssertionError),
        mock.patch("builtins.open", side_effect=AssertionError),
    ):
        assert renderer.render("news", CONTEXT) == first


def test_a_missing_name_is_an_error_in_every_part(tmp_path: Path) -> None:
    renderer = Renderer(folder_with(tmp_path))
    for missing in ("name", "url", "items"):
        with pytest.raises(UndefinedError):
            renderer.render("news", {key: value for key, value in CONTEXT.items() if key != missing})


@pytest.mark.parametrize("kind", ["unknown", "", "_layout", "../emails/news", "news/../news", "News", "news\0"])
def test_unknown_kinds(folder: Path, kind: str) -> None:
    with pytest.raises(TemplateNotFound):
        Renderer(folder).render(kind, CONTEXT)


def test_kinds(folder: Path) -> None:
    assert Renderer(folder).kinds() == ["news"]


BROKEN = {
    "tag in a tag": "<p {% if note %}class='x'{% endif %}>x</p>",
    "value without quotes": "<p title={{ name }}>x</p>",
    "dynamic class": '<p class="{{ name }}">x</p>',
    "dynamic id": "<p id='a{{ name }}'>x</p>",
    "style": "<style>p { color: {{ name }} }</style>",
    "branch opens, never closes": "{% if note %}<b>{% endif %}x{% if note %}</b>{% endif %}<p>y</p></b>",
    "two openings, one end": '{% if note %}<a href="x">{% else %}<a href="y">{% endif %}text</a>',
    "row outside a table": "{% for item in items %}<tr><td>x</td></tr>{% endfor %}",
    "text in a table": "<table>loose<tr><td>x</td></tr></table>",
    "never closed": "<div><p>x",
    "no endblock": "x{% block more %}",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_template_that_inlining_would_spoil_is_refused_by_name(tmp_path: Path, content: str) -> None:
    body = '{% extends "_layout/base.html" %}{% block content %}' + content + "{% endblock %}"
    folder = folder_with(tmp_path, **{"news/body.html": body})
    with pytest.raises(TemplateSyntaxError) as caught:
        Renderer(folder).render("news", CONTEXT)
    assert caught.value.name == "news/body.html"


@pytest.mark.parametrize(
    "outside", ["{% for x in y %}{% endfor %}", "{% macro m() %}{% endmacro %}", "{% if a %}{% endif %}"]
)
def test_what_a_child_may_not_have_outside_its_blocks(tmp_path: Path, outside: str) -> None:
    folder = folder_with(tmp_path, **{"news/body.html": '{% extends "_layout/base.html" %}' + outside})
    with pytest.raises(TemplateSyntaxError, match="outside its blocks"):
        Renderer(folder).render("news", CONTEXT)


def test_layouts_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, **{"_layout/base.html": '{% extends "_layout/base.html" %}'})
    with pytest.raises(TemplateSyntaxError, match="extend each other"):
        Renderer(folder).render("news", CONTEXT)
    folder = folder_with(tmp_path, **{"_layout/base.html": "{% extends layout %}"})
    with pytest.raises(TemplateSyntaxError, match="in quotes"):
        Renderer(folder).render("news", CONTEXT)


def test_layouts_of_layouts_and_whitespace_control(tmp_path: Path) -> None:
    files = FILES | {
        "_layout/wide.html": '{% extends "_layout/base.html" %}{% set w = "wide" %}{% block content %}<p>{{ w }}</p>'
        "{%- block inner -%} <i>inner</i> {%- endblock %}{% endblock %}",
        "news/body.html": '{%- extends "_layout/wide.html" -%} text that goes {{ x }}'
        "{%- block inner %} {{- super() -}} <b>{{ name }}</b> {% endblock -%}",
    }
    context = CONTEXT | {"x": 1}
    rendered = Renderer(folder_with(tmp_path, **files)).render("news", context)
    assert squeezed(rendered.html) == squeezed(slow_way(context | {"subject": rendered.subject}, files=files))
    assert "<i>inner</i><b>" in rendered.html


def test_includes_have_their_styles_too(tmp_path: Path) -> None:
    files = FILES | {
        "_layout/note.html": '<p><a class="button" href="{{ url }}">{{ name }}</a></p>',
        "news/body.html": '{% extends "_layout/base.html" %}{% block content %}'
        '{% include "_layout/note.html" %}{% endblock %}',
    }
    html = Renderer(folder_with(tmp_path, **files)).render("news", CONTEXT).html
    assert re.search(r'<a class="button"[^>]*style="color: #ffffff;"[^>]*>{{7\*7}} O&#39;Brien', html)


def test_the_version_is_that_of_all_files_of_the_mail(folder: Path) -> None:
    version = Renderer(folder).version("news")
    assert re.fullmatch(r"[0-9a-f]{12}", version)
    assert Renderer(folder).render("news", CONTEXT).template_version == version
    for name in FILES:
        path = folder / "emails" / name
        path.write_text(path.read_text() + " ")
        changed = Renderer(folder).version("news")
        assert changed != version
        version = changed
    other = folder / "emails" / "other"
    other.mkdir()
    (other / "body.txt").write_text("x")
    assert Renderer(folder).version("news") == version


def test_development_sees_changes_and_production_does_not(folder: Path) -> None:
    development, production = Renderer(folder, auto_reload=True, reload_seconds=0), Renderer(folder)
    for renderer in (development, production):
        assert renderer.render("news", CONTEXT).subject.startswith("News")
    (folder / "emails/news/subject.txt").write_text("Changed")
    layout = folder / "emails/_layout/base.html"
    layout.write_text(LAYOUT.replace("#111111", "#222222"))
    assert development.render("news", CONTEXT).subject == "Changed"
    assert "#222222" in development.render("news", CONTEXT).html
    assert production.render("news", CONTEXT).subject.startswith("News")
    assert "#111111" in production.render("news", CONTEXT).html


def test_development_looks_at_the_files_once_a_second(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    renderer = Renderer(folder, auto_reload=True)
    for _ in range(2):
        renderer.render("news", CONTEXT)
    (folder / "emails/news/subject.txt").write_text("Changed")
    now += 0.9
    assert renderer.render("news", CONTEXT).subject.startswith("News")
    now += 0.2
    assert renderer.render("news", CONTEXT).subject == "Changed"


TEXTS = [
    "", "short", "word " * 40, "a " * 100, "x" * 200,
    "see https://app.example.com/" + "t" * 100 + " now and then again",
    "one\n\ntwo words\n" + "three " * 30, "hyphen-ated " * 20, "trailing  \nx",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_wordwrap_is_that_of_jinja(text: str) -> None:
    expected = do_wordwrap(Environment(autoescape=True), text, 78, False, "\n", False)
    assert wordwrap(text, 78) == expected
    assert wordwrap(text, 78, break_long_words=False, break_on_hyphens=False) == expected


def test_wordwrap_never_breaks_a_link() -> None:
    link = "https://app.example.com/" + "t" * 100
    assert wordwrap(f"* item\n  {link}", 78) == f"* item\n  {link}"
    assert wordwrap(f"see {link}", 78) == f"see\n{link}"
    with pytest.raises(ValueError, match="never broken"):
        wordwrap("x", 78, break_long_words=True)


@pytest.mark.parametrize("kind", Renderer(ROOT / "templates").kinds())
def test_our_own_templates_survive_inlining(kind: str) -> None:
    """Compiled, not rendered: their contexts belong to the kinds."""
    assert re.fullmatch(r"[0-9a-f]{12}", Renderer(ROOT / "templates").version(kind))
