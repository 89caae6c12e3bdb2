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


def import_root() -> Path:
    """Return the folder that `import notifier` needs on its path; in a checkout `wsgi.py` lies there, too."""
    return _PACKAGE.parent


def _folder(name: str) -> Path:
    installed = DATA / name
    return installed if installed.is_dir() else import_root() / name
