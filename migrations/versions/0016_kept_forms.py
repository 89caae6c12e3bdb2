"""what an operator had typed when their session ended

Revision ID: 0016
Revises: 0015
"""

import sqlalchemy as sa
from alembic import op

from notifier.models import types

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = types.UtcDateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "kept_forms",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("operator_id", BIG_ID, nullable=False),
        sa.Column("key_hash", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["operator_id"], ["operators.id"], name=op.f("fk_kept_forms_operator_id_operators"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_kept_forms")),
        sa.UniqueConstraint("key_hash", name=op.f("uq_kept_forms_key_hash")),
    )
    op.create_index("ix_kept_forms_operator_id", "kept_forms", ["operator_id"])
    op.create_index("ix_kept_forms_created_at", "kept_forms", ["created_at"])


def downgrade() -> None:
    op.drop_table("kept_forms")
