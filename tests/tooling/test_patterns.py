"""Every regular expression of the package takes time that grows with its text alone, with texts made for it."""

import re
import time
from collections.abc import Callable
from typing import NamedTuple

import pytest

from notifier.admin.access import returning
from notifier.bounces.reading import read
from notifier.bounces.texts import MAX_PIECE
from notifier.content.language import READ_CHARACTERS, language_of
from notifier.mail.header_text import NAME_LIMIT, HeaderTextError, display_name
from notifier.smtp.classify import classify
from notifier.smtp.outcome import MAX_TEXT, Phase
from notifier.smtp.replies import parse_reply
from notifier.smtp.server_ids import server_id
from tests.support.patterns import Collector, Found, hard_for, use

#: Seconds of the processor that a text of 1 MiB may take, and the same for each character of a shorter one.
LIMIT = 0.1
SECONDS_EACH = 2e-7
#: Below it nothing is measured, in seconds.
NOISE = 0.002

#: A machine that is busy, or slow, takes longer than these seconds for this, and as much longer for all else.
YARDSTICK = 0.015
_YARDSTICK, _TEXT = re.compile("[^b]"), "a" * (1 << 18)

COLLECTED = Collector()

#: Patterns that are made of what is not known before: in each function its parts are escaped, or collected here.
DYNAMIC = {
    "notifier.config.url_options:_check",
    "notifier.smtp.masking:_repeated",
    "notifier.smtp.masking:_words",
    "notifier.smtp.reply_phrases:any_of",
    "notifier.smtp.reply_rules:_rule",
    "notifier.security.redaction:_word",
}


class Bound(NamedTuple):
    """How long a text may be when it gets to a pattern, in characters, and who sees to it."""

    limit: int
    door: Callable[[str], object]


def _reply(text: str) -> object:
    return classify(Phase.RCPT, parse_reply(b"550 " + text.replace("\n", " ").encode("utf-8", "replace")))


def _name(text: str) -> object:
    try:
        return display_name(text)
    except HeaderTextError:
        return None


def _report(text: str) -> object:
    head = "From: MAILER-DAEMON@mx.example.net\nSubject: Undelivered Mail\n"
    return read(f"{head}X-Failed-Recipients: {text[:2000]}\n\n{text}".encode("utf-8", "replace"))


REPLY = Bound(MAX_TEXT, _reply)
#: No variable of the environment is longer: MAX_ARG_STRLEN of Linux. Settings come from there, and from operators.
SETTING = Bound(128 * 1024, lambda text: None)

#: Patterns for reports get pieces of their text, single lines, or values of headers.
REPORT = Bound(MAX_PIECE, _report)

BOUNDS: dict[str, Bound] = {
    "notifier.bounces.": REPORT,
    "notifier.admin.access.returning:": Bound(returning.MAX_LENGTH, returning.local),
    "notifier.config.settings:host": SETTING,
    "notifier.config.types:": SETTING,
    "notifier.smtp.transport_config:": SETTING,
    "notifier.smtp.classify:REFUSALS": REPLY,
    "notifier.smtp.server_ids:": Bound(MAX_TEXT, server_id),
    "notifier.content.language:_NO_TEXT": Bound(READ_CHARACTERS, language_of),
    # After it comes the search for advertisements.
    "notifier.web.forms:_LINK": Bound(NAME_LIMIT, _name),
}


def bound_of(key: str) -> Bound | None:
    return next((bound for start, bound in BOUNDS.items() if key.startswith(start)), None)


def seconds(call: Callable[[str], object], text: str, limit: float) -> float:
    """Return the processor time of a call. More than `limit` is measured again, beside a known piece of work."""
    begun = time.thread_time()
    call(text)
    taken = time.thread_time() - begun
    for _ in range(3):
        if taken <= limit:
            break
        begun = time.thread_time()
        _YARDSTICK.sub("", _TEXT)
        middle = time.thread_time()
        call(text)
        slowness = max(1.0, (middle - begun) / YARDSTICK)
        taken = min(taken, (time.thread_time() - middle) / slowness)
    return taken


def made(hard: tuple[str, str, str], size: int) -> str:
    prefix, body, suffix = hard
    return (prefix + body * (size // len(body) + 1))[:size] + suffix


def worst(found: Found, longest: int) -> tuple[str, list[tuple[str, str, str]]]:
    """Return (what was too slow, or ""; the texts that took longest). Small texts come first: the rest never ends."""
    hardest: dict[tuple[str, str, str], float] = {}
    for method in found.methods:
        call = use(found.pattern, method)
        left = hard_for(found.pattern)
        for size, kept in ((20, None), (256, None), (4096, 3), (65_536, 1), (1 << 20, 1)):
            size = min(size, longest)
            limit = LIMIT if size >= 1 << 16 or size == longest else NOISE + size * SECONDS_EACH
            taken = {}
            for hard in left:
                taken[hard] = seconds(call, made(hard, size), limit)
                if taken[hard] > limit:
                    return f"{method}: {size:,} characters of {hard!r} took {taken[hard]:.3f} s", [hard]
            left = sorted(left, key=lambda hard: -taken[hard])[:kept]
            if size == longest:
                break
        hardest |= {hard: taken[hard] for hard in left[:1]}
    return "", sorted(hardest, key=lambda hard: -hardest[hard])


@pytest.mark.parametrize("key", sorted(COLLECTED.found))
def test_no_text_takes_a_pattern_long(key: str) -> None:
    bound = bound_of(key)
    slow, hard = worst(COLLECTED.found[key], bound.limit if bound else 1 << 20)
    assert not slow, f"{COLLECTED.found[key].pattern.pattern!r}: {slow}"
    if bound:
        assert seconds(bound.door, made(hard[0], 1 << 20), LIMIT) <= LIMIT


def test_the_collector_finds_what_there_is() -> None:
    assert COLLECTED.calls >= 110
    assert len(COLLECTED.found) >= 180
    assert COLLECTED.dynamic == DYNAMIC
    methods = {method for found in COLLECTED.found.values() for method in found.methods}
    assert methods >= {"match", "search", "fullmatch", "sub", "split", "findall", "finditer"}
    for start in BOUNDS:
        assert any(key.startswith(start) for key in COLLECTED.found), f"{start} bounds nothing"


@pytest.mark.parametrize("source", [r"(a+)+b", r"\w+@\w+", r"<!--.*?-->"])
def test_a_slow_pattern_is_found(source: str) -> None:
    slow, _ = worst(Found(re.compile(source), {"search"}), 1 << 20)
    assert slow
