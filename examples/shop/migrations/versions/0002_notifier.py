"""The tables of notifier."""

from alembic import op

from notifier import migrations as notifier_migrations

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    notifier_migrations.upgrade(op, to="0001")


def downgrade() -> None:
    """Drop them."""
    notifier_migrations.downgrade(op, to="base")
