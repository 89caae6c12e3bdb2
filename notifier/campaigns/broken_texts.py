"""Find texts of a campaign that no database can store, or that no page can show."""

from collections.abc import Iterator, Mapping
from typing import Any

from notifier.mail.characters import broken_in, with_marks


def broken_texts(values: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield (path, what is wrong) for each broken text or name in `values`, at any depth."""
    for name, value in values.items():
        place = path + with_marks(str(name))
        if isinstance(value, Mapping):
            yield from broken_texts(value, f"{place}.")
        texts = value if isinstance(value, list | tuple) else (value,)
        found = next(filter(None, (broken_in(text) for text in (str(name), *texts) if isinstance(text, str))), "")
        if found:
            yield place, found
