"""Words that no page, email, message or comment of ours uses: people read plain English."""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLAIN = r"nobody|somebody|whoever|whatever|mails|the reader|for good|on the clocks of|rung|the bell"
BANNED = re.compile(rf"\b({PLAIN})\b", re.IGNORECASE)
#: In templates, "mail" is for fixed terms only.
BANNED_IN_TEMPLATES = re.compile(rf"\b({PLAIN}|mail(?! (server|scanner|program)s?\b))\b", re.IGNORECASE)

TEMPLATES = (
    "templates/admin", "templates/emails", "templates/web", "notifier/dev/inbox/templates",
    "examples/shop/shop/templates",
)  # fmt: skip
FOLDERS = (".", "docs/**", "examples/*")
PAGES = [
    *sorted(str(page.relative_to(ROOT)) for folder in FOLDERS for page in ROOT.glob(f"{folder}/*.md")),
    ".env.example", "Dockerfile", "docker-compose.yml", "gunicorn.conf.py", "pyproject.toml", "run", "wsgi.py",
]  # fmt: skip
CODE = ("notifier", "bench", "examples", "migrations")
#: Patterns for the replies of mail servers, in their words.
QUOTED = {"smtp/reply_phrases.py", "bounces/phrases.py", "bounces/languages.py"}

#: Attributes whose value people see or hear.
SPOKEN = re.compile(r'\b(?:title|alt|placeholder|aria-label|data-confirm|content)="([^"]*)"')
#: The protocol's own terms, in the inbox's view of the envelope.
TERMS = re.compile(r"MAIL FROM|RFC \d+")
#: Names in backticks are code.
CODE_SPAN = re.compile(r"(?<!`)`[^`\n]+`(?!`)")


def visible(source: str) -> Iterator[str]:
    """Yield the texts of a template that can reach a person: text, spoken attributes, sentences in code."""
    source = re.sub(r"\{#.*?#\}|<!--.*?-->|<(style|script)\b.*?</\1>", " ", source, flags=re.DOTALL)
    for expression in re.findall(r"\{\{.*?\}\}|\{%.*?%\}", source, flags=re.DOTALL):
        for double, single in re.findall(r'"([^"]*)"|\'([^\']*)\'', expression):
            text = double or single
            # A value without a space or a capital letter is a name: of an endpoint, a file, a state.
            if " " in text.strip() or text[:1].isupper():
                yield text
    source = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", " … ", source, flags=re.DOTALL)
    for tag in re.findall(r"<[^>]*>", source):
        yield from SPOKEN.findall(tag)
    yield re.sub(r"<[^>]*>", " ", source)


def prose(source: str) -> Iterator[str]:
    """Yield the comments, docstrings and sentences of Python code. A string without a space is a name."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def found(words: re.Pattern[str], texts: Iterable[str]) -> list[str]:
    """Return every banned word in these texts, also across line ends, but not in code."""
    joined = (" ".join(CODE_SPAN.sub(" ", TERMS.sub("", text)).split()) for text in texts)
    return [each.group() for text in joined for each in words.finditer(text)]


def python_files() -> list[Path]:
    """Return the Python files whose English is checked."""
    files = [path for folder in CODE for path in sorted((ROOT / folder).rglob("*.py"))]
    left_out = {ROOT / "notifier" / name for name in QUOTED}
    return [path for path in files if not left_out.intersection([path, *path.parents])]


@pytest.mark.parametrize(
    "source",
    [
        "<p>Nobody got it</p>",
        '<img alt="A mail">',
        '{{ ui.input("note", "Why", hint="For whoever comes after you") }}',
        "{{ 'Mail' if one else 'Email' }}",
        "<p>Erased for\n good</p>",
    ],
)
def test_what_people_would_see_is_found(source: str) -> None:
    assert len(found(BANNED_IN_TEMPLATES, visible(source))) == 1


@pytest.mark.parametrize(
    "source",
    [
        '<ol class="mails">{% for mail in mails %}{{ mail.id }}{% endfor %}</ol>',
        '{# Nobody reads this. #}{% include "admin/_mails.html" %}',
        "<p>The mail server took the email.</p>",
    ],
)
def test_names_and_fixed_terms_are_no_finding(source: str) -> None:
    assert found(BANNED_IN_TEMPLATES, visible(source)) == []


@pytest.mark.parametrize(
    "source",
    [
        "# Whatever it raises\n",
        '"""Return the mails."""\n',
        'say(f"{count} mails were sent")\n',
        'say("It is erased for "\n    "good")\n',
        "def f():\n    '''Ring once more.\n\n    For the\n    reader.\n    '''\n",
    ],
)
def test_prose_of_code_is_found(source: str) -> None:
    assert len(found(BANNED, prose(source))) == 1


@pytest.mark.parametrize("source", ["mails = nobody(rung)\n", 'table["mails"]\n', '"""Return `mails` of it."""\n'])
def test_names_in_code_are_no_finding(source: str) -> None:
    assert found(BANNED, prose(source)) == []


@pytest.mark.parametrize("folder", TEMPLATES)
def test_templates_use_no_banned_word(folder: str) -> None:
    files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".html", ".txt"}]
    assert files
    words = {str(path.relative_to(ROOT)): found(BANNED_IN_TEMPLATES, visible(path.read_text())) for path in files}
    assert {path: each for path, each in words.items() if each} == {}


@pytest.mark.parametrize("page", PAGES)
def test_pages_use_no_banned_word(page: str) -> None:
    assert found(BANNED, [(ROOT / page).read_text()]) == []


def test_comments_docstrings_and_messages_use_no_banned_word() -> None:
    files = python_files()
    assert len(files) > 100
    words = {str(path.relative_to(ROOT)): found(BANNED, prose(path.read_text())) for path in files}
    assert {path: each for path, each in words.items() if each} == {}


def test_every_file_that_is_left_out_exists() -> None:
    assert [name for name in sorted(QUOTED) if not (ROOT / "notifier" / name).exists()] == []
