"""Runs migrations on the connection that `db.session` opened; there is no other way in."""

from alembic import context
from sqlalchemy import Index, text
from sqlalchemy.schema import SchemaItem

from db.models import Base

# Any constant of our own: two processes that start together must not both create the schema.
_ADVISORY_LOCK = 0x6B327466

connection = context.config.attributes["connection"]
on_postgresql = connection.dialect.name == "postgresql"
partitions = set[str]()
if on_postgresql:
    connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
    partitions.update(connection.scalars(text("SELECT relname FROM pg_class WHERE relispartition")))


def is_compared(name: str | None, kind: str, _parents: object) -> bool:
    """Whether models are to know what the database has: partitions come and go by themselves."""
    return kind != "table" or name not in partitions


def is_expected(item: SchemaItem, _name: str | None, _kind: str, _reflected: bool, _twin: object) -> bool:
    """Whether the database is to have what the models know: SQLite has one kind of index alone."""
    return on_postgresql or not (isinstance(item, Index) and item.dialect_options["postgresql"]["using"])


context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    compare_type=True,
    include_name=is_compared,
    include_object=is_expected,
    # SQLite cannot alter a table; Alembic then copies it.
    render_as_batch=not on_postgresql,
)
with context.begin_transaction():
    context.run_migrations()
