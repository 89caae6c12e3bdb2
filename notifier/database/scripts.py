"""Read our migrations."""

from pathlib import Path

from alembic.script import ScriptDirectory


def versions_in(folder: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return the newest versions in `folder`, Alembic's script directory, and all of them."""
    scripts = ScriptDirectory(str(folder))
    return frozenset(scripts.get_heads()), frozenset(each.revision for each in scripts.walk_revisions())
