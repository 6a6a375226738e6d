"""Events of PostgreSQL in a table a month, so that old ones go without a row being deleted. SQLite's stay as they are.

The table of before becomes the partition of all that was before next month: no row is copied. Jobs, batches and events
stay locked while it is read three times: for its latest moment, for the proof that it fits, and for the index by time.

Revision: 0011
"""

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_COLUMNS = ("id", "job_id", "batch_id", "at", "type", "data")
_MONTHS_AHEAD = 2


def upgrade() -> None:
    if op.get_context().dialect.name != "postgresql":
        return
    # In the order in which the fleet's own transactions take them. All at once, and now: what a foreign key needs while
    # a partition is attached would come later, when others may wait for us who are waited for.
    op.execute("LOCK TABLE job, batch, event IN ACCESS EXCLUSIVE MODE")
    bounds = op.get_bind().execute(
        sa.text("SELECT statement_timestamp(), coalesce(max(at), statement_timestamp()) FROM event")
    )
    here, latest = (_month_of(moment) for moment in bounds.one())
    end = _next(max(here, latest))

    op.rename_table("event", "event_before")
    op.execute("ALTER TABLE event_before RENAME CONSTRAINT pk_event TO pk_event_before")
    for column in ("job_id", "batch_id"):
        op.execute(f"ALTER INDEX ix_event_{column}_id RENAME TO ix_event_before_{column}_id")
    _create_event(partition_by="RANGE (at)")
    _index()
    op.create_index("ix_event_at", "event", ["at"], postgresql_using="brin")
    op.execute(f"ALTER TABLE event ATTACH PARTITION event_before FOR VALUES FROM (MINVALUE) TO ('{end}')")
    # The key is each partition's own: one of all of them would have to name the time, and be built anew here.
    op.execute(
        "CREATE TABLE event_default PARTITION OF event (CONSTRAINT pk_event_default PRIMARY KEY (id)) DEFAULT"
    )
    month, last = end, here
    for _ in range(_MONTHS_AHEAD):
        last = _next(last)
    while month <= last:
        name = f"event_{month:%Y_%m}"
        op.execute(
            f"CREATE TABLE {name} PARTITION OF event (CONSTRAINT pk_{name} PRIMARY KEY (id))"
            f" FOR VALUES FROM ('{month}') TO ('{_next(month)}')"
        )
        month = _next(month)
    op.execute("ALTER TABLE attempt SET (autovacuum_vacuum_scale_factor = 0.02)")


def downgrade() -> None:
    """Copies every event: months of them may take minutes, in which nothing else can be written."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute("LOCK TABLE job, batch, event IN ACCESS EXCLUSIVE MODE")
    for name in ("ix_event_job_id_id", "ix_event_batch_id_id", "ix_event_at"):
        op.drop_index(name, "event")
    op.rename_table("event", "event_by_month")
    _create_event(sa.PrimaryKeyConstraint("id", name="pk_event"))
    names = ", ".join(_COLUMNS)
    op.execute(f"INSERT INTO event ({names}) SELECT {names} FROM event_by_month ORDER BY id")  # noqa: S608  # constants
    op.drop_table("event_by_month")
    _index()
    op.execute("ALTER TABLE attempt RESET (autovacuum_vacuum_scale_factor)")


def _create_event(*key: sa.Constraint, partition_by: str | None = None) -> None:
    """The table without its indexes; numbers go on where those of the table before it were."""
    op.create_table(
        "event",
        sa.Column(
            "id",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            server_default=sa.text("nextval('event_id_seq')"),
        ),
        sa.Column("job_id", sa.BigInteger()),
        sa.Column("batch_id", sa.BigInteger()),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", JSONB(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["batch.id"], name="fk_event_batch_id_batch"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name="fk_event_job_id_job"),
        *key,
        postgresql_partition_by=partition_by,
    )
    op.execute("ALTER SEQUENCE event_id_seq OWNED BY event.id")


def _index() -> None:
    op.create_index("ix_event_batch_id_id", "event", ["batch_id", "id"])
    op.create_index("ix_event_job_id_id", "event", ["job_id", "id"])


def _month_of(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _next(month: datetime) -> datetime:
    return (month + timedelta(days=32)).replace(day=1)
