"""The first schema.

Revision: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out here and not taken from the models: what a migration does must not change when they do.
ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
STATE = sa.String(16)


def upgrade() -> None:
    op.create_table(
        "artifact",
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_artifact"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", ID, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("payload", JSON, nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("sent_at", MOMENT),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_outbox"),
    )
    op.create_index(
        "ix_outbox_unsent",
        "outbox",
        ["run_at"],
        postgresql_where=sa.text("sent_at IS NULL"),
        sqlite_where=sa.text("sent_at IS NULL"),
    )
    op.create_table(
        "recipe",
        sa.Column("id", ID, nullable=False),
        sa.Column("dest_url", sa.Text(), nullable=False),
        sa.Column("converter_version", sa.Text(), nullable=False),
        sa.Column("options_key", sa.Text(), nullable=False),
        sa.Column("options", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_recipe"),
        sa.UniqueConstraint(
            "dest_url",
            "converter_version",
            "options_key",
            name="uq_recipe_dest_url_converter_version_options_key",
        ),
    )
    op.create_table(
        "source",
        sa.Column("id", ID, nullable=False),
        sa.Column("store_url", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text()),
        sa.Column("last_modified", MOMENT),
        sa.Column("sha256", sa.Text()),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_source"),
        sa.UniqueConstraint("store_url", "key", "version", name="uq_source_store_url_key_version"),
    )
    op.create_table(
        "worker",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("slots", sa.Integer(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("versions", JSON, nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("heartbeat_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_worker"),
    )
    op.create_table(
        "batch",
        sa.Column("id", ID, nullable=False),
        sa.Column("recipe_id", ID, nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("listed_after", sa.Text()),
        sa.Column("jobs_new", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["recipe_id"], ["recipe.id"], name="fk_batch_recipe_id_recipe"),
        sa.PrimaryKeyConstraint("id", name="pk_batch"),
    )
    op.create_table(
        "job",
        sa.Column("id", ID, nullable=False),
        sa.Column("source_id", ID, nullable=False),
        sa.Column("recipe_id", ID, nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("state", STATE, nullable=False),
        sa.Column("run_at", MOMENT, nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.Integer(), nullable=False),
        sa.Column("lost_count", sa.Integer(), nullable=False),
        sa.Column("lease_until", MOMENT),
        sa.Column("worker_id", sa.Text()),
        sa.Column("dispatched_at", MOMENT),
        sa.Column("cancel_requested_at", MOMENT),
        sa.Column("hold_requested_at", MOMENT),
        sa.Column("content_key", sa.Text()),
        sa.Column("manifest_sha256", sa.Text()),
        sa.Column("reused_from", ID),
        sa.Column("error_kind", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_fingerprint", sa.Text()),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("finished_at", MOMENT),
        sa.ForeignKeyConstraint(["recipe_id"], ["recipe.id"], name="fk_job_recipe_id_recipe"),
        sa.ForeignKeyConstraint(["reused_from"], ["job.id"], name="fk_job_reused_from_job"),
        sa.ForeignKeyConstraint(["source_id"], ["source.id"], name="fk_job_source_id_source"),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("source_id", "recipe_id", name="uq_job_source_id_recipe_id"),
        postgresql_with={"fillfactor": 80, "autovacuum_vacuum_scale_factor": 0.02},
    )
    op.create_index(
        "ix_job_dispatch",
        "job",
        ["priority", "run_at", "id"],
        postgresql_where=sa.text("state = 'queued'"),
        sqlite_where=sa.text("state = 'queued'"),
    )
    op.create_index(
        "ix_job_dispatched",
        "job",
        ["dispatched_at"],
        postgresql_where=sa.text("state = 'queued' AND dispatched_at IS NOT NULL"),
        sqlite_where=sa.text("state = 'queued' AND dispatched_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_lease",
        "job",
        ["lease_until"],
        postgresql_where=sa.text("state = 'running'"),
        sqlite_where=sa.text("state = 'running'"),
    )
    op.create_index("ix_job_state", "job", ["state", "id"])
    op.create_index(
        "uq_job_result",
        "job",
        ["recipe_id", "content_key"],
        unique=True,
        postgresql_where=sa.text("state = 'succeeded' AND reused_from IS NULL"),
        sqlite_where=sa.text("state = 'succeeded' AND reused_from IS NULL"),
    )
    op.create_table(
        "schedule",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("source_url", sa.Text(), nullable=False),
        sa.Column("recipe_id", ID, nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["recipe_id"], ["recipe.id"], name="fk_schedule_recipe_id_recipe"),
        sa.PrimaryKeyConstraint("id", name="pk_schedule"),
        sa.UniqueConstraint("name", name="uq_schedule_name"),
    )
    op.create_table(
        "attempt",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("fence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("worker_id", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text()),
        sa.Column("progress", sa.Float()),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("heartbeat_at", MOMENT, nullable=False),
        sa.Column("ended_at", MOMENT),
        sa.Column("outcome", STATE),
        sa.Column("exit_code", sa.Integer()),
        sa.Column("signal", sa.Integer()),
        sa.Column("max_rss_bytes", sa.BigInteger()),
        sa.Column("stage_seconds", JSON),
        sa.Column("environment", JSON),
        sa.Column("error_kind", sa.Text()),
        sa.Column("error_message", sa.Text()),
        sa.Column("error_fingerprint", sa.Text()),
        sa.Column("log_key", sa.Text()),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_attempt_job_id_job"),
        sa.PrimaryKeyConstraint("job_id", "fence", name="pk_attempt"),
    )
    op.create_index("ix_attempt_ended_at", "attempt", ["ended_at"])
    op.create_table(
        "batch_job",
        sa.Column("batch_id", ID, nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_batch_job_batch_id_batch"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_batch_job_job_id_job"),
        sa.PrimaryKeyConstraint("batch_id", "job_id", name="pk_batch_job"),
    )
    op.create_index("ix_batch_job_job_id", "batch_job", ["job_id"])
    op.create_table(
        "event",
        sa.Column("id", ID, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("batch_id", ID),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_event_batch_id_batch"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_event_job_id_job"),
        sa.PrimaryKeyConstraint("id", name="pk_event"),
    )
    op.create_index("ix_event_batch_id_id", "event", ["batch_id", "id"])
    op.create_index("ix_event_job_id_id", "event", ["job_id", "id"])
    op.create_table(
        "job_artifact",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_artifact_job_id_job"),
        sa.ForeignKeyConstraint(["sha256"], ["artifact.sha256"], name="fk_job_artifact_sha256_artifact"),
        sa.PrimaryKeyConstraint("job_id", "name", name="pk_job_artifact"),
    )
    op.create_index("ix_job_artifact_sha256", "job_artifact", ["sha256"])
    op.create_table(
        "job_reason",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text()),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_job_reason_job_id_job"),
        sa.PrimaryKeyConstraint("job_id", "position", name="pk_job_reason"),
    )
    op.create_index("ix_job_reason_kind_subject", "job_reason", ["kind", "subject"])
    op.create_table(
        "schedule_run",
        sa.Column("id", ID, nullable=False),
        sa.Column("schedule_id", ID, nullable=False),
        sa.Column("scheduled_for", MOMENT, nullable=False),
        sa.Column("batch_id", ID),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_schedule_run_batch_id_batch"),
        sa.ForeignKeyConstraint(
            ["schedule_id"], ["schedule.id"], name="fk_schedule_run_schedule_id_schedule"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_schedule_run"),
        sa.UniqueConstraint("schedule_id", "scheduled_for", name="uq_schedule_run_schedule_id_scheduled_for"),
    )
    op.create_table(
        "parity",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("fence", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("structure_error", sa.Float()),
        sa.Column("structure_limit", sa.Float()),
        sa.Column("deployment_error", sa.Float()),
        sa.Column("deployment_limit", sa.Float()),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("report", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["job_id", "fence"], ["attempt.job_id", "attempt.fence"], name="fk_parity_job_id_attempt"
        ),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_parity_job_id_job"),
        sa.PrimaryKeyConstraint("job_id", "fence", name="pk_parity"),
    )


def downgrade() -> None:
    op.drop_table("parity")
    op.drop_table("schedule_run")
    op.drop_table("job_reason")
    op.drop_table("job_artifact")
    op.drop_table("event")
    op.drop_table("batch_job")
    op.drop_table("attempt")
    op.drop_table("schedule")
    op.drop_table("job")
    op.drop_table("batch")
    op.drop_table("worker")
    op.drop_table("source")
    op.drop_table("recipe")
    op.drop_table("outbox")
    op.drop_table("artifact")
