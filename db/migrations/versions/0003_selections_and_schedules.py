"""What a batch takes of a listing, who lists it, and what a schedule does when its time comes.

Revision: 0003
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    for table in ("batch", "schedule"):
        op.add_column(table, sa.Column("selection", JSON, nullable=False, server_default="{}"))
    op.add_column("batch", sa.Column("planner_until", MOMENT))
    op.add_column("schedule", sa.Column("overlap", sa.String(16), nullable=False, server_default="skip"))
    op.add_column("schedule", sa.Column("since", MOMENT))
    op.add_column(
        "schedule_run", sa.Column("outcome", sa.String(16), nullable=False, server_default="started")
    )
    op.create_index("ix_schedule_run_batch_id", "schedule_run", ["batch_id"])


def downgrade() -> None:
    op.drop_index("ix_schedule_run_batch_id", "schedule_run")
    columns = {
        "schedule_run": ("outcome",),
        "schedule": ("since", "overlap", "selection"),
        "batch": ("planner_until", "selection"),
    }
    for table, names in columns.items():
        with op.batch_alter_table(table) as altered:
            for name in names:
                altered.drop_column(name)
