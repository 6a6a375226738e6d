"""An index of the jobs that a worker had: without one, a filter by worker read every job.

Revision: 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    known = sa.text("worker_id IS NOT NULL")
    op.create_index("ix_job_worker", "job", ["worker_id", "id"], postgresql_where=known, sqlite_where=known)


def downgrade() -> None:
    op.drop_index("ix_job_worker", "job")
