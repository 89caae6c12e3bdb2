"""Guess the language of a text, and the direction in which it is read, from its letters.

A language that an operator names takes precedence. The letters determine the script, but rarely the language within
it; the languages of a campaign's audience serve as hints.
"""

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal, NamedTuple

Direction = Literal["ltr", "rtl"]

#: The language of our own templates, and the guess for a text in Latin letters.
DEFAULT = "en"

#: A language tag as people write it (BCP 47): letters, then subtags. The column has 35 characters.
TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{2,8}){0,4}\Z", re.IGNORECASE)


class Script(NamedTuple):
    """A script: its letters and the languages that use it; the first is the default."""

    code: str
    letters: str
    languages: tuple[str, ...]
    direction: Direction = "ltr"


_SCRIPTS = (
    Script("Latn", "A-Za-z\u00aa-\u024f\u1e00-\u1eff\uff21-\uff5a", (DEFAULT,)),
    Script("Hebr", "\u0590-\u05ff\ufb1d-\ufb4f", ("he", "iw", "yi", "ji"), "rtl"),
    Script(
        "Arab",
        "\u0600-\u06ff\u0750-\u077f\u0870-\u08ff\ufb50-\ufdff\ufe70-\ufefc",
        ("ar", "fa", "ur", "ps", "sd", "ug", "ckb", "ks", "lrc", "mzn", "prs"),
        "rtl",
    ),
    Script("Syrc", "\u0700-\u074f", ("syr", "arc"), "rtl"),
    Script("Thaa", "\u0780-\u07bf", ("dv",), "rtl"),
    Script("Nkoo", "\u07c0-\u07ff", ("nqo",), "rtl"),
    Script("Samr", "\u0800-\u083f", ("smp",), "rtl"),
    Script("Adlm", "\U0001e900-\U0001e95f", ("ff-Adlm",), "rtl"),
    Script("Rohg", "\U00010d00-\U00010d3f", ("rhg",), "rtl"),
    Script("Grek", "\u0370-\u03ff\u1f00-\u1fff", ("el",)),
    Script("Cyrl", "\u0400-\u052f", ("ru", "uk", "bg", "sr", "mk", "be", "kk", "ky", "mn", "tg")),
    Script("Armn", "\u0530-\u058f", ("hy",)),
    Script("Geor", "\u10a0-\u10ff\u1c90-\u1cbf", ("ka",)),
    Script("Ethi", "\u1200-\u139f", ("am", "ti")),
    Script("Deva", "\u0900-\u097f", ("hi", "mr", "ne")),
    Script("Beng", "\u0980-\u09ff", ("bn", "as")),
    Script("Guru", "\u0a00-\u0a7f", ("pa",)),
    Script("Gujr", "\u0a80-\u0aff", ("gu",)),
    Script("Taml", "\u0b80-\u0bff", ("ta",)),
    Script("Telu", "\u0c00-\u0c7f", ("te",)),
    Script("Knda", "\u0c80-\u0cff", ("kn",)),
    Script("Mlym", "\u0d00-\u0d7f", ("ml",)),
    Script("Sinh", "\u0d80-\u0dff", ("si",)),
    Script("Thai", "\u0e00-\u0e7f", ("th",)),
    Script("Laoo", "\u0e80-\u0eff", ("lo",)),
    Script("Mymr", "\u1000-\u109f", ("my",)),
    Script("Khmr", "\u1780-\u17ff", ("km",)),
    Script("Kore", "\u1100-\u11ff\uac00-\ud7af", ("ko",)),
    Script("Jpan", "\u3040-\u30ff", ("ja",)),
    Script("Hani", "\u3400-\u4dbf\u4e00-\u9fff", ("zh",)),
)
_RUNS = {script: re.compile(f"[{script.letters}]+") for script in _SCRIPTS}
_BY_CODE = {script.code: script for script in _SCRIPTS}
_BY_LANGUAGE = {language.partition("-")[0]: script for script in _SCRIPTS for language in script.languages}
#: Further script subtags for these scripts.
_BY_CODE |= dict.fromkeys(("Hans", "Hant"), _BY_CODE["Hani"]) | {"Aran": _BY_CODE["Arab"]}

#: Letters that identify one of the languages that share a script.
_TELLING = {
    "Arab": (("ur", re.compile("[\u0679\u0688\u0691\u06ba\u06d2]")), ("fa", re.compile("[\u067e\u0686\u0698\u06af]"))),
    "Cyrl": (("uk", re.compile("[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]")),
             ("sr", re.compile("[\u0402\u0408\u0409\u040a\u0452\u0458\u0459\u045a]"))),
}  # fmt: skip

#: Characters that are read to guess the language: more would hardly change the guess, and a text may be very long.
READ_CHARACTERS = 20_000

#: Parts that say nothing about the language: names in braces, and addresses.
_NO_TEXT = re.compile(
    r"\{\{(?:(?!\{\{).)*?\}\}|\{%(?:(?!\{%).)*?%\}|\{button:|\{content\}|https?://[^\s|)}]+|(?<![^\s}])[^\s@}]++@\S+",
    re.DOTALL,
)

#: Letters that are read from right to left (UAX #9: the classes R and AL lie in these blocks).
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff\U0001e800-\U0001efff]")
_ISOLATES, _END_OF_ISOLATE = frozenset({"LRI", "RLI", "FSI"}), "PDI"
_STRONG: dict[str, Direction] = {"L": "ltr", "R": "rtl", "AL": "rtl"}


def language_of(text: str, hints: Sequence[str] = ()) -> str:
    """Return the language (BCP 47) of `text`, which is a source or its result.

    `hints` are languages that it may be in; the first one that is written in this script is used. Latin letters
    without a hint are DEFAULT.
    """
    script = _script_of(_NO_TEXT.sub(" ", text[:READ_CHARACTERS]))
    for hint in hints:
        if script is None or _script_named(hint) is script:
            return _tag(hint)
    if script is None:
        return DEFAULT
    telling = _TELLING.get(script.code, ())
    return next((language for language, letters in telling if letters.search(text)), script.languages[0])


def direction_of(language: str) -> Direction:
    """Return the direction of a language (BCP 47), by its script subtag or else by its usual script."""
    return _script_named(language).direction


def direction_within(text: str, base: Direction) -> Direction | None:
    """Return the direction of a paragraph in a text of direction `base`; None if it is the same.

    Both its first strong character (UAX #9, P2 and P3) and most of its letters must have the other direction: a
    paragraph that only begins with a product's name, or contains an address, keeps the direction.
    """
    if base == "ltr" and not _RIGHT_TO_LEFT.search(text):
        return None
    strong = [direction for char in text if (direction := _STRONG.get(unicodedata.bidirectional(char)))]
    other: Direction = "ltr" if base == "rtl" else "rtl"
    most = strong.count(other) * 2 > len(strong)
    return other if most and first_strong(text) == other else None


def first_strong(text: str) -> Direction | None:
    """Return the direction of the first strong character outside of isolates (UAX #9, P2), or None."""
    depth = 0
    for char in text:
        kind = unicodedata.bidirectional(char)
        if kind in _ISOLATES:
            depth += 1
        elif kind == _END_OF_ISOLATE:
            depth = max(0, depth - 1)
        elif depth == 0 and kind in _STRONG:
            return _STRONG[kind]
    return None


def _script_of(text: str) -> Script | None:
    """Return the script of most of the letters; None if there are no letters."""
    if text.isascii():
        return _SCRIPTS[0] if _RUNS[_SCRIPTS[0]].search(text) else None
    counts = {script: sum(map(len, runs.findall(text))) for script, runs in _RUNS.items()}
    japanese, chinese = _BY_CODE["Jpan"], _BY_CODE["Hani"]
    if counts[japanese]:
        # Japanese is written with both scripts.
        counts[japanese], counts[chinese] = counts[japanese] + counts[chinese], 0
    script = max(counts, key=lambda each: counts[each])
    return script if counts[script] else None


def _script_named(language: str) -> Script:
    """Return the script of a language tag; Latin for an unknown one."""
    first, *rest = _tag(language).split("-")
    named = next((_BY_CODE[part] for part in rest if part in _BY_CODE), None)
    return named or _BY_LANGUAGE.get(first, _SCRIPTS[0])


def _tag(language: str) -> str:
    """Return the tag in its usual spelling, such as he-IL or zh-Hant."""
    first, *rest = language.replace("_", "-").split("-")
    spelled = [part.title() if len(part) == 4 else part.upper() if len(part) == 2 else part.lower() for part in rest]
    return "-".join([first.lower(), *spelled])
