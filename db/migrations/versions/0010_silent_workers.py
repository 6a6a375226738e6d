"""How often a worker says that it lives, so that whoever looks can tell for how long it has been silent.

Revision: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default rewrites no row, and holds for workers of the version before, which do not say it.
    op.add_column("worker", sa.Column("heartbeat_seconds", sa.Float(), nullable=False, server_default="15"))


def downgrade() -> None:
    with op.batch_alter_table("worker") as worker:
        worker.drop_column("heartbeat_seconds")
