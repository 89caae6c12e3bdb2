"""A code that is one migration ahead: for what happens before, during and after an upgrade."""

import shutil
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate

from notifier import resources
from notifier.database.schema import Schema
from notifier.extensions import db
from tests.support.services import replace_services

#: The version that `look_ahead` adds.
NEXT = "9001"

_NEXT = f'''"""another column of the ledger"""

import sqlalchemy as sa
from alembic import op

revision = "{NEXT}"
down_revision = "{{head}}"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("notifier_notifications", recreate="never") as table:
        table.add_column(sa.Column("another", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("notifier_notifications", recreate="never") as table:
        table.drop_column("another")
'''


def look_ahead(app: Flask, folder: Path) -> Path:
    """Give this application one migration more than the repository has. Return the folder with them all."""
    shutil.copytree(resources.migrations(), folder, ignore=shutil.ignore_patterns("__pycache__"))
    newest = max(each.name[:4] for each in (folder / "versions").glob("*.py"))
    (folder / "versions" / f"{NEXT}_another.py").write_text(_NEXT.format(head=newest))
    # Of its own: the one in `extensions` belongs to every application of this process.
    Migrate(app, db, directory=str(folder))
    replace_services(app, schema=Schema(folder))
    return folder
