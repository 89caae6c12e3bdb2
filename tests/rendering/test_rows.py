"""Loops: each row is filled in by itself, and what is filled in is what would have been rendered."""

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from notifier.rendering.compiled import kind as compiled
from notifier.rendering.compiled.forms import RowSegments
from notifier.rendering.compiled.kind import MAX_ROWS, CompiledKind
from notifier.rendering.render import Renderer
from notifier.resources import templates
from tests.rendering.test_compiled import (
    BODY,
    CONTEXT,
    PIECES,
    TEXT,
    assert_sound,
    folder_with,
    is_filled,
    random_value,
    uncompiled,
    words,
)


@pytest.fixture(autouse=True)
def _no_differences() -> Iterator[None]:
    """A shape that differs from its own mail is found when it is compiled; here none may."""
    with mock.patch.object(compiled.log, "error", side_effect=AssertionError):
        yield


def renderer_with(tmp_path: Path, html: str, text: str = "") -> Path:
    """A folder whose email has these loops; ROWS stands for a loop over all rows, and END for its end."""
    each = "{% for a, b, c, d in rows %}"
    html, text = (part.replace("ROWS", each).replace("END", "{% endfor %}") for part in (html, text))
    body = BODY.replace("<b>{{ count }}</b>", f"<b>{html}</b>")
    plain = TEXT.replace("A constant line", f"{text}\nA constant line")
    return folder_with(tmp_path, **{"news/body.html": body, "news/body.txt": plain})


#: HTML, then text. Every row has four values.
LOOPS = {
    "values": ("ROWS<i>{{ a }}</i>{{ b }}END", "ROWS\n* {{ a }}END"),
    "rows without a text of their own": ("ROWS{{ a }}{{ b }}END", "ROWS{{ d }}END"),
    "rows without values": ("ROWS<br> END.", "ROWS-END"),
    "conditions": (
        "ROWS{% if c %}<b>{{ c }}</b>{% elif not d %}none{% endif %}{{ a or 'nothing' }}END",
        "ROWS{% if c is none %}none{% endif %}\n{{ a }}{{ ', ' if c }}{{ c }}END",
    ),
    "values that are looked into": (
        "ROWS{{ parts.bar(d) }}{{ '%03d'|format(d) }}END",
        "{% for w, x, y, z in rows %}\n{{ '#' * z }} {{ w }}END",
    ),
    "values from around the loop": (
        "ROWS{{ parts.figure(a, name ~ month, url=url) }}{% if note %}{{ note }}{% endif %}END",
        "{% for name, b, c, d in rows %}\n{{ name }} {{ month }}END {{ name }}",
    ),
    "empty lists": (
        "{% if rows %}<i>Rows</i>{% endif %}ROWS{{ a }}{% else %}<i>none, {{ name }}</i>END",
        "{% if not rows %}none{% endif %}ROWS{{ c }}{% else %}{{ name }}END",
    ),
    "two loops over one list": (
        "ROWS{{ a }}END{% for b, a, x, y in rows %}{{ a }}{{ x }}END",
        "ROWS{{ a }}ENDROWS{{ b }}END",
    ),
    "loops in conditions": (
        "{% if note %}ROWS<u>{{ a }}</u>END{% elif name %}ROWS{{ b }}END{% endif %}",
        "{% for x in words %}\n{{ x }}END",
    ),
    "single values": (
        "{% for x in words %}<i>{{ x }}</i>{{ 'long' if x|length > 3 }}END",
        "{% for x in words %}{{ x }} END",
    ),
    "a loop in what is written for an empty list": (
        "ROWS{{ a }}{% else %}{% for x in others %}<i>{{ x }}</i>ENDEND",
        "{% for x in others %}\n- {{ x }}END",
    ),
    "values set in a row": ("ROWS{% set e = d + 1 %}<i>{{ e }}{{ a }}</i>END", "ROWS{{ a }}END"),
    "a loop in a loop": ("ROWS{% for _ in range(d % 3) %}+END{{ a }}END", "ROWS{{ a }}END"),
}


@pytest.mark.parametrize(("html", "text"), LOOPS.values(), ids=LOOPS)
def test_rows_are_filled_in_one_by_one(tmp_path: Path, html: str, text: str) -> None:
    folder = renderer_with(tmp_path, html, text)
    quick, slow, dice = Renderer(folder), uncompiled(folder), random.Random(html)
    filled = 0
    before: list[Any] = []
    for _ in range(250):
        rows = [
            (
                random_value(dice),
                "".join(dice.choices(PIECES, k=3)),
                dice.choice([None, "", 0, "<&", 1, True, 1.0]),
                dice.randint(0, 9),
            )
            for _ in range(dice.choice([0, 1, 2, 3, 9]))
        ]
        # Rows occur again: in another email, in the same one, and with an equal value of another type.
        before = (rows + before)[:20]
        rows += dice.choices(before, k=dice.randint(0, 3)) if before else []
        rows += [(*row[:2], dice.choice([1, True, 1.0]), row[3]) for row in rows[:1]]
        dice.shuffle(rows)
        names = {"name": dice.choice(["", "Ada", "<b>"]), "note": dice.choice([None, "n"])}
        several = dice.choice([list, tuple])
        lists = {"rows": several(rows), "words": [str(row[2]) for row in rows], "others": ["x", "<y>"]}
        mine, theirs = (each.render("news", CONTEXT | names | lists) for each in (quick, slow))
        assert words(mine) == words(theirs)
        if is_filled(mine):
            assert_sound(mine)
            filled += 1
    assert filled > 100


def _report(dice: random.Random) -> dict[str, Any]:
    text = [random_value(dice) for _ in range(40)]
    return {
        "month": "May", "year": 2026, "joined": dice.choice([None, "3 May"]), "total": text[0], "activities": text[1],
        "change": dice.choice(["", text[2]]), "summary": text[3],
        "kinds": [(text[4 + n], text[9 + n], dice.choice(["", "up 8"])) for n in range(dice.randint(0, 4))],
        "weeks": [(text[14 + n], text[19 + n], dice.randint(0, 100), text[24 + n]) for n in range(5)],
        "things": [(text[30 + n], text[35 + n]) for n in range(dice.randint(0, 3))],
    }  # fmt: skip


def _digest(dice: random.Random) -> dict[str, Any]:
    text = [random_value(dice) for _ in range(40)]
    return {
        "headline": f"New {text[0]}", "rest": dice.choice([0, 3]), "since": "1 May", "summary": text[1],
        "lines": [tuple(text[4 * n : 4 * n + 4]) for n in range(dice.randint(1, 9))],
        "more": dice.choice([0, 12]), "older": dice.choice(["", "2 older ones"]),
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "values"), [("monthly_report", _report), ("activity_digest", _digest)])
def test_reports_and_digests_are_filled(kind: str, values: Any) -> None:
    quick, slow, dice = Renderer(templates()), uncompiled(templates()), random.Random(kind)
    shared = {
        "product": "Acmé & Sons", "public_url": "https://x", "category_reason": "So.", "postal_address": "A, B",
        "unsubscribe_url": "https://x/u", "preferences_url": "https://x/p", "home_url": "https://x/",
    }  # fmt: skip
    filled = 0
    for _ in range(400):
        context = shared | {"recipient_name": random_value(dice)} | values(dice)
        mine, theirs = quick.render(kind, context), slow.render(kind, context)
        assert words(mine) == words(theirs)
        if is_filled(mine):
            assert_sound(mine)
            filled += 1
    assert filled > 60


def test_a_list_of_another_length_is_not_another_shape(tmp_path: Path) -> None:
    renderer = Renderer(renderer_with(tmp_path, "{% for a, b in rows %}<i>{{ a }}</i>{{ b or 'none' }}END"))
    with mock.patch.object(CompiledKind, "_compile", autospec=True, side_effect=CompiledKind._compile) as compiling:
        for number in range(1, 40):
            rows = [(f"{number}-{row}", f"{row}" if row % 2 else "") for row in range(number)]
            rendered = renderer.render("news", CONTEXT | {"rows": rows})
            assert is_filled(rendered) is (number > 2)
            assert f"{number}-{number - 1}" in rendered.html
    assert compiling.call_count == 2


def test_there_are_not_too_many_shapes_of_rows(tmp_path: Path) -> None:
    renderer = Renderer(renderer_with(tmp_path, "{% for a in rows %}<i>{{ a|upper }}</i>END"))
    for start in range(0, MAX_ROWS + 200, 100):
        renderer.render("news", CONTEXT | {"rows": [f"r{row}" for row in range(start, start + 100)]})
    assert is_filled(renderer.render("news", CONTEXT | {"rows": ["r7", "r1"]}))
    late = renderer.render("news", CONTEXT | {"rows": [f"r{MAX_ROWS + 100}"]})
    assert f"R{MAX_ROWS + 100}" in late.html
    assert not is_filled(late)


def test_a_row_that_differs_is_not_used_and_the_others_are(tmp_path: Path) -> None:
    renderer = Renderer(renderer_with(tmp_path, "{% for a in rows %}<i>{{ a or 'none' }}</i>END"))
    renderer.render("news", CONTEXT | {"rows": ["a"]})
    with (
        mock.patch.object(compiled.log, "error") as error,
        mock.patch.object(RowSegments, "of", return_value=RowSegments([b"something else"], [])),
    ):
        renderer.render("news", CONTEXT | {"rows": ["a", ""]})
    assert error.call_count == 1
    assert is_filled(renderer.render("news", CONTEXT | {"rows": ["b"]}))
    assert not is_filled(renderer.render("news", CONTEXT | {"rows": ["b", ""]}))
