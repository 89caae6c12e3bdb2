"""Words that no page and no email of ours uses: what people read is plain English."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("templates/admin", "templates/emails", "templates/web", "notifier/dev/inbox/templates")
BANNED = re.compile(
    r"\b(nobody|somebody|whoever|whatever|the reader|for good|on the clocks of|rung|the bell"
    # "Mail" stands in fixed terms only.
    r"|mails|mail(?! (server|scanner|program)s?\b))\b",
    re.IGNORECASE,
)
#: Attributes whose value people see or hear.
SPOKEN = re.compile(r'\b(?:title|alt|placeholder|aria-label|data-confirm|content)="([^"]*)"')
#: The protocol's own terms, in the inbox's view of the envelope.
TERMS = re.compile(r"MAIL FROM|RFC \d+")


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


def banned(source: str) -> list[str]:
    """Return every banned word that a template shows."""
    texts = (TERMS.sub("", " ".join(text.split())) for text in visible(source))
    return [found.group() for text in texts for found in BANNED.finditer(text)]


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
    assert len(banned(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        '<ol class="mails">{% for mail in mails %}{{ mail.id }}{% endfor %}</ol>',
        '{# Nobody reads this. #}{% include "admin/_mails.html" %}',
        "<p>The mail server took the email.</p>",
    ],
)
def test_names_and_fixed_terms_are_no_finding(source: str) -> None:
    assert banned(source) == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_templates_use_no_banned_word(folder: str) -> None:
    files = [path for path in sorted((ROOT / folder).rglob("*")) if path.suffix in {".html", ".txt"}]
    assert files
    found = {str(path.relative_to(ROOT)): words for path in files if (words := banned(path.read_text()))}
    assert found == {}
