"""Column types that mean the same on SQLite and on PostgreSQL."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB

from db import states


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC. Python always sees aware datetimes; SQLite keeps them without the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value.isoformat()} where a moment in UTC is needed")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only where the key is spelled INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")
JsonValue = JSON().with_variant(JSONB(), "postgresql")


def _stored_by_value(enum: type[Any]) -> Enum:
    """Text holding the enum's value. No CHECK: adding a state must not need to rebuild a live table."""
    return Enum(
        enum,
        values_callable=lambda members: [member.value for member in members],
        native_enum=False,
        create_constraint=False,
        validate_strings=True,
        length=16,
    )


TYPES: dict[Any, Any] = {
    datetime: UtcDateTime(),
    dict[str, Any]: JsonValue,
    states.JobState: _stored_by_value(states.JobState),
    states.BatchState: _stored_by_value(states.BatchState),
    states.AttemptOutcome: _stored_by_value(states.AttemptOutcome),
    states.WorkerState: _stored_by_value(states.WorkerState),
}
