"""The end of what the processes of a running attempt have said so far.

Revision: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Both may be null, so no row is rewritten, however many there are.
    op.add_column("attempt", sa.Column("log_tail", sa.Text()))
    op.add_column("attempt", sa.Column("log_said", sa.BigInteger()))


def downgrade() -> None:
    with op.batch_alter_table("attempt") as attempt:
        for column in ("log_said", "log_tail"):
            attempt.drop_column(column)
