"""Column types that mean the same on SQLite and on PostgreSQL."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Enum, Integer, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

from db import states

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


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


class StrangersText(TypeDecorator[str]):
    """Text that may come out of a model file: what a database cannot hold becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Dialect) -> str | None:
        return None if value is None else _storable(value)


class JsonValue(TypeDecorator[Any]):
    """JSON as every database admits it: NaN and infinities become text, and strings are cleaned."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(JSONB() if dialect.name == "postgresql" else JSON())

    def process_bind_param(self, value: Any, _dialect: Dialect) -> Any:
        return _storable(value)


def _storable(value: Any) -> Any:
    match value:
        case str():
            # A zero byte is refused by PostgreSQL, half a surrogate pair by UTF-8.
            return _UNSTORABLE.sub("\N{REPLACEMENT CHARACTER}", value)
        case float() if not math.isfinite(value):
            return str(value)
        case Mapping():
            return {_storable(str(name)): _storable(item) for name, item in value.items()}
        case list() | tuple():
            return [_storable(item) for item in value]
    return value


# SQLite numbers rows by itself only where the key is spelled INTEGER.
BigId = BigInteger().with_variant(Integer(), "sqlite")


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
    dict[str, Any]: JsonValue(),
    states.JobState: _stored_by_value(states.JobState),
    states.BatchState: _stored_by_value(states.BatchState),
    states.Overlap: _stored_by_value(states.Overlap),
    states.RunOutcome: _stored_by_value(states.RunOutcome),
    states.AttemptOutcome: _stored_by_value(states.AttemptOutcome),
    states.OperationState: _stored_by_value(states.OperationState),
    states.WorkerState: _stored_by_value(states.WorkerState),
}
