"""Runs migrations on the connection that `db.session` opened; there is no other way in."""

from alembic import context
from sqlalchemy import text

from db.models import Base

# Any constant of our own: two processes that start together must not both create the schema.
_ADVISORY_LOCK = 0x6B327466

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    # SQLite cannot alter a table; Alembic then copies it.
    render_as_batch=connection.dialect.name == "sqlite",
)
with context.begin_transaction():
    context.run_migrations()
