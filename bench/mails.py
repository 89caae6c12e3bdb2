"""The email of the race: our own kind, and the same text as a flat template for the other contenders.

Their template has the layout joined and the styles inlined beforehand, which is more than a tutorial would do: the race
compares sending, not the preparation of templates.
"""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

from bench.personal import personal_values
from notifier.emails import KINDS, Category, EmailKind, Owed
from notifier.rendering.render import Renderer

ROOT = Path(__file__).parents[1]
#: Those of the bench; the race merges them with the project's.
TEMPLATES = Path(__file__).parent / "templates"

_COMMON: dict[str, str | None] = {
    "product": "Notifier",
    "public_url": "http://127.0.0.1:8000",
    "locale": "en",
    "postal_address": "Notifier, 1 Example Street, Example Town",
    "unsubscribe_url": None,
    "preferences_url": None,
}


class Bench(EmailKind):
    """A monthly report of about 8 kB, for the bench only."""

    name: ClassVar[str] = "bench"
    category: ClassVar[Category] = Category.account
    lifetime: ClassVar[timedelta] = timedelta(hours=72)
    because: ClassVar[str] = "You're receiving this because its delivery is being measured."

    def unwanted(self, owed: Owed) -> str | None:
        """Return None: it is always wanted."""
        return None

    def context(self, owed: Owed) -> dict[str, Any]:
        """Return the values of this user."""
        return dict(personal_values(owed.user.id))


BENCH_KINDS: dict[str, EmailKind] = {**KINDS, Bench.name: Bench()}


def flatten_templates(merged: Path, folder: Path) -> Path:
    """Write subject.txt, body.txt and body.html with nothing but `{{ name }}` in them (Jinja2)."""
    names = ["recipient_name", *personal_values(1)]
    marks = {name: f"Zq{name}qZ" for name in names}
    values: dict[str, object] = {**_COMMON, "category_reason": Bench.because, **marks}
    rendered = Renderer(merged).render(Bench.name, values)
    flat = folder / "flat"
    flat.mkdir()
    for file, text in (("subject.txt", rendered.subject), ("body.txt", rendered.text), ("body.html", rendered.html)):
        for name, mark in marks.items():
            text = text.replace(mark, "{{ " + name + " }}")
        (flat / file).write_text(text, encoding="utf-8")
    return flat
