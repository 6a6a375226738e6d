from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Engine, insert, select
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import Session, sessionmaker

from db.clock import now
from db.models import Event, Outbox


def test_now_is_utc_and_close_to_ours(engine: Engine) -> None:
    with engine.connect() as connection:
        found: datetime = connection.scalars(select(now())).one()
    assert found.utcoffset() == timedelta(0)
    assert abs(found - datetime.now(UTC)) < timedelta(seconds=5)


@pytest.mark.parametrize("seconds", [90, 0.25, -3600.5, 0])
def test_now_plus_seconds(engine: Engine, seconds: float) -> None:
    with engine.connect() as connection:
        base, moved = connection.execute(select(now(), now(seconds))).one()
    # SQLite's clock has milliseconds, and both may round.
    assert abs((moved - base).total_seconds() - seconds) <= 0.0021


def test_stored_and_computed_moments_compare(sessions: sessionmaker[Session]) -> None:
    """On SQLite both are text, which compares as time only if spelled alike."""
    with sessions.begin() as session:
        for offset in (-0.05, 0.05):
            moment = datetime.now(UTC) + timedelta(seconds=offset * 100)
            session.execute(
                insert(Outbox).values(key=str(offset), topic=str(offset), payload={}, run_at=moment)
            )
        due = session.scalars(select(Outbox.topic).where(Outbox.run_at <= now())).all()
    assert due == ["-0.05"]


def test_another_zone_is_the_same_moment(sessions: sessionmaker[Session]) -> None:
    east = datetime(2026, 7, 1, 12, 0, 0, 123456, timezone(timedelta(hours=5, minutes=45)))
    with sessions.begin() as session:
        session.execute(insert(Event).values(at=east, type="x", data={}))
        found = session.scalars(select(Event.at)).one()
    assert found == east
    assert found.tzinfo is UTC


def test_a_naive_moment_is_refused(sessions: sessionmaker[Session]) -> None:
    naive = datetime(2026, 7, 1)  # noqa: DTZ001 - that is the point
    with pytest.raises(StatementError, match="naive"), sessions.begin() as session:
        session.execute(insert(Event).values(at=naive, type="x", data={}))
