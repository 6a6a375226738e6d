"""What a dashboard needs: indexes for lists and counts, acts that are followed, views that are kept.

Revision: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)

PARTIAL = {
    "ix_job_waiting": (["run_at"], "state = 'queued'"),
    "ix_job_finished": (["finished_at", "id"], "finished_at IS NOT NULL"),
    "ix_job_failure": (
        ["error_fingerprint", "state", "finished_at", "id"],
        "error_fingerprint IS NOT NULL",
    ),
}


def upgrade() -> None:
    for name, (columns, where) in PARTIAL.items():
        condition = sa.text(where)
        op.create_index(name, "job", columns, postgresql_where=condition, sqlite_where=condition)
    op.create_index("ix_attempt_ended_at_outcome", "attempt", ["ended_at", "outcome"])
    op.drop_index("ix_attempt_ended_at", "attempt")
    op.create_index(
        "ix_parity_structure_error_deployment_error", "parity", ["structure_error", "deployment_error"]
    )
    op.create_index("ix_job_reason_job_id_subject", "job_reason", ["job_id", "subject"])
    op.create_table(
        "operation",
        sa.Column("id", ID, nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("search", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("audit_id", ID, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("changed", sa.BigInteger(), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("behind", sa.BigInteger(), nullable=False),
        sa.Column("last_job", sa.BigInteger(), nullable=False),
        sa.Column("runner_until", MOMENT),
        sa.Column("error", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["audit_id"], ["audit.id"], name="fk_operation_audit_id_audit"),
        sa.PrimaryKeyConstraint("id", name="pk_operation"),
    )
    running = sa.text("state = 'running'")
    op.create_index(
        "ix_operation_running", "operation", ["runner_until"], postgresql_where=running, sqlite_where=running
    )
    op.create_table(
        "saved_view",
        sa.Column("id", ID, nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("query", sa.Text(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("owner", "name", name="uq_saved_view_owner_name"),
    )


def downgrade() -> None:
    op.drop_table("saved_view")
    op.drop_table("operation")
    op.drop_index("ix_job_reason_job_id_subject", "job_reason")
    op.drop_index("ix_parity_structure_error_deployment_error", "parity")
    op.create_index("ix_attempt_ended_at", "attempt", ["ended_at"])
    op.drop_index("ix_attempt_ended_at_outcome", "attempt")
    for name in PARTIAL:
        op.drop_index(name, "job")
