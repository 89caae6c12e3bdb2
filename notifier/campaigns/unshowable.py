"""Find characters that no database can store, nothing can show, or that would reorder a page."""

from collections.abc import Iterator, Mapping
from typing import Any

from notifier.mail.characters import BROKEN, broken_in, reordering_in, with_marks


def unshowable(values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (path, what is wrong) for each text or name in these fields of a campaign."""
    yield from _broken(values)
    title = values.get("title")
    found = reordering_in(title) if isinstance(title, str) else ""
    if found:
        yield "title", f"{found}: delete it and type the title again"


def _broken(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        place = path + (with_marks(name) if BROKEN.search(name) else name)
        if isinstance(value, Mapping):
            yield from _broken(value, f"{place}.")
        texts = (name, *value) if isinstance(value, list | tuple) else (name, value)
        found = next((text for text in texts if isinstance(text, str) and BROKEN.search(text)), "")
        if found:
            yield place, broken_in(found)
