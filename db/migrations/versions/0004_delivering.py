"""What became of a notification, and that none is told twice.

Revision: 0004
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    op.add_column("outbox", sa.Column("key", sa.Text(), nullable=False, server_default=""))
    # No version has written a notification yet; whoever did by hand has each under its number.
    op.execute("UPDATE outbox SET key = CAST(id AS TEXT)")
    op.add_column("outbox", sa.Column("delivered", JSON, nullable=False, server_default="{}"))
    op.add_column("outbox", sa.Column("error", sa.Text()))
    op.create_index("uq_outbox_key", "outbox", ["key"], unique=True)


def downgrade() -> None:
    op.drop_index("uq_outbox_key", "outbox")
    with op.batch_alter_table("outbox") as outbox:
        for column in ("error", "delivered", "key"):
            outbox.drop_column(column)
