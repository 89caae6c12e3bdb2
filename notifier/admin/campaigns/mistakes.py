"""What is wrong with the form of a campaign, beside the input that it is about and in words for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from notifier.admin.campaigns.form import CampaignForm

#: Inputs whose name is not that of their column. What is about no input stands in its section.
_PLACES = {
    "once_at": "date", "every": "every-number", "misfire_within": "misfire_within-number",
    "lifetime": "lifetime-number", "settings": "section-settings", "audience": "section-audience",
    "": "section-basics",
}  # fmt: skip

#: What a cron expression that people chose is made of.
_OF_CRON = {"daily": "at", "weekly": "at", "monthly": "day"}

#: Inputs that count beside some of the ways to repeat only.
_BESIDE = {
    "at": ("daily", "weekly", "monthly", "once"), "weekday": ("weekly",), "day": ("monthly",), "date": ("once",),
    "every-number": ("interval",), "cron": ("cron",),
}  # fmt: skip

_MISSING = {
    "at": "Enter a time of day as HH:MM, such as 09:00.",
    "weekday": "Choose at least one day.",
    "date": "Choose a day.",
    "every-number": "Enter the number of hours between two runs.",
    "cron": "Enter five fields, such as 0 9 * * 1 for every Monday at 09:00.",
}


def gather(form: CampaignForm, again: Sequence[str]) -> None:
    """Note what the inputs say is wrong with them. `again`: the labels of texts that are content by now."""
    repeat = form.repeat.data
    for _, field in form.inputs():
        if _counts(field.id, form):
            if field.errors:
                add(form, field.id, field.errors[0])
            elif field.id in _MISSING and repeat in _BESIDE[field.id] and not field.data and field.data != 0:
                add(form, field.id, _MISSING[field.id])
    for label in again:
        add(form, "section-settings", f"“{label}” is now part of the content. Edit the content, then save this form.")


def _counts(place: str, form: CampaignForm) -> bool:
    """Return whether an input says something: not beside a choice that was not made."""
    if place == "misfire_within-number":
        return bool(form.misfire.data == "within")
    if place == "name":
        return form.campaign is None
    return place not in _BESIDE or form.repeat.data in _BESIDE[place]


def add(form: CampaignForm, place: str, words: str) -> None:
    """Note a mistake; the first one of an input counts."""
    form.problems.setdefault(place, words[:1].upper() + words[1:])


def blame(form: CampaignForm, problems: Iterable[tuple[str, str]]) -> None:
    """Note what is wrong with the columns: (path, words)."""
    labels = {field.id: label for label, field in form.inputs()}
    for path, words in problems:
        add(form, *_placed(form, path, words, labels))


def _placed(form: CampaignForm, path: str, words: str, labels: dict[str, str]) -> tuple[str, str]:
    """Return the id of the input or section, and the words with labels in place of the names that the code has."""
    part, _, rest = path.partition(".")
    inner = rest.partition(".")[0]
    prefix = "settings-" if part == "settings" else ""
    if part in ("settings", "audience"):
        if prefix + inner in labels:
            return prefix + inner, words
        first = _named_first(words, prefix, labels)
        if first:
            return first, words
        first = words.partition(" ")[0]
        if prefix + first in labels:
            # A mistake of two inputs together.
            known = {word: labels[prefix + word] for word in words.split() if prefix + word in labels}
            return prefix + first, " ".join(f"“{known[word]}”" if word in known else word for word in words.split())
        return _PLACES[part], words
    if part == "cron":
        return _OF_CRON.get(form.repeat.data, "cron"), words
    place = _PLACES.get(part, part)
    return place if place in labels else "section-basics", words


def _named_first(words: str, prefix: str, labels: dict[str, str]) -> str:
    """Return the id of the input whose label begins these words; empty if none does."""
    said = words.lower()
    inner = ((place, label.removesuffix(" (optional)").lower()) for place, label in labels.items())
    return next((place for place, label in inner if place.startswith(prefix) and said.startswith(f"{label} ")), "")


def summary(form: CampaignForm) -> list[tuple[str, str, str]]:
    """Return (id, label, what is wrong) in the order of the page."""
    labels: dict[str, Any] = {field.id: label for label, field in form.inputs()}
    order = {place: number for number, place in enumerate(labels)}
    found = sorted(form.problems.items(), key=lambda item: order.get(item[0], len(order)))
    return [(place, labels.get(place, ""), words) for place, words in found]
