"""The folders that are not Python: in the installed package (`notifier/_data`), or beside it in a checkout.

Flask, Jinja and Alembic read files, so these are folders of the file system: notifier is not imported from a zip file.
"""

from importlib.resources import files
from pathlib import Path

_PACKAGE = Path(str(files("notifier")))

#: Where a build puts the folders that a checkout has beside the package.
DATA = _PACKAGE / "_data"


def templates() -> Path:
    """Return the folder with the pages (`web/`, `admin/`) and the emails (`emails/`)."""
    return _folder("templates")


def migrations() -> Path:
    """Return the folder that Alembic works with: `env.py` and `versions/`."""
    return _folder("migrations")


def checkout() -> Path | None:
    """Return the checkout that notifier runs from, which processes need on their path; None if it is installed."""
    return None if DATA.is_dir() else _PACKAGE.parent


def _folder(name: str) -> Path:
    return (checkout() or DATA) / name
