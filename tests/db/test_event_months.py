"""Events of PostgreSQL by month: what was there stays, months come ahead of time and go whole, and nothing is lost."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alembic import command
from sqlalchemy import Engine, event, insert, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session, sessionmaker

from dashboard.pages.feed import Feed
from db import session as db_session
from db.clock import now
from db.models import Base, Event
from db.queries import event_months
from db.queries.job_detail import job_detail
from scheduler.months import Months
from scheduler.retention import Keep, Retention
from storage import open_store
from tests.db import zoo
from tests.servers import Postgres

DAY = 86400.0
BEFORE = "0010"


@pytest.fixture
def by_month(postgres_server: Postgres, migrated_postgres: str) -> Iterator[Engine]:
    """A database of its own: partitions are part of the schema."""
    postgres_server.empty(migrated_postgres, Base.metadata.tables)
    with postgres_server.database(like=migrated_postgres) as url:
        engine = db_session.make_engine(url)
        yield engine
        engine.dispose()


@pytest.fixture
def months(by_month: Engine) -> sessionmaker[Session]:
    return db_session.session_factory(by_month)


def written(sessions: sessionmaker[Session], *moments: datetime) -> list[int]:
    """The numbers of events of these moments."""
    with sessions.begin() as session:
        rows = [{"at": at, "type": "x", "data": {}} for at in moments]
        return [session.scalars(insert(Event).values(row).returning(Event.id)).one() for row in rows]


def events(sessions: sessionmaker[Session], table: str = "event") -> list[int]:
    with sessions() as session:
        return list(session.scalars(text(f"SELECT id FROM {table} ORDER BY id")))  # noqa: S608  # ours


def names(sessions: sessionmaker[Session]) -> list[str]:
    with sessions() as session:
        return [partition.name for partition in event_months.partitions(session)]


def month(sessions: sessionmaker[Session], ahead: int) -> datetime:
    """When the month begins that is so many behind this one; before it: fewer than none."""
    with sessions() as session:
        moment = session.scalars(select(now())).one()
    number = moment.year * 12 + moment.month - 1 + ahead
    return datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC)


def name_of(begins: datetime) -> str:
    return f"event_{begins:%Y_%m}"


def drop(sessions: sessionmaker[Session], name: str) -> None:
    with sessions.begin() as session:
        session.execute(text(f"DROP TABLE {name}"))


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_events_survive_the_way_there_and_back(
    store: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """A clock that was ahead has left an event of next year, too."""
    url = f"sqlite:///{tmp_path / 'old.db'}" if store == "sqlite" else request.getfixturevalue("postgres_url")
    engine = db_session.make_engine(url)
    sessions = db_session.session_factory(engine)

    def go(way: object, where: str) -> None:
        with engine.begin() as connection:
            way(db_session.alembic_config(connection), where)  # type: ignore[operator]

    go(command.upgrade, BEFORE)
    zoo_of_old = [datetime(2020, 2, 29, tzinfo=UTC), month(sessions, 0), month(sessions, 14)]
    numbers = written(sessions, *zoo_of_old)
    go(command.upgrade, "head")
    assert events(sessions) == numbers
    numbers += written(sessions, month(sessions, 0))
    assert numbers == sorted(set(numbers))
    with sessions() as session:
        assert event_months.this_month_is_there(session)
        assert event_months.make_ahead(session) == []
    go(command.downgrade, BEFORE)
    numbers += written(sessions, month(sessions, 0))
    assert events(sessions) == numbers == sorted(set(numbers))
    engine.dispose()


def test_sqlite_needs_no_months(migrated_sqlite: Path) -> None:
    engine = db_session.make_engine(f"sqlite:///{migrated_sqlite}")
    with Session(engine) as session:
        assert event_months.this_month_is_there(session)
        assert event_months.partitions(session) == []
        assert event_months.make_ahead(session) == []
        assert event_months.drop_old(session, older_than_s=0) == []
    engine.dispose()


def test_the_migration_makes_this_month_and_the_next_two(months: sessionmaker[Session]) -> None:
    ahead = [name_of(month(months, number)) for number in (1, 2)]
    assert names(months) == ["event_before", *ahead, "event_default"]
    assert Months(months).run_once() == 0


def test_an_event_finds_a_place_though_nobody_made_its_month_and_moves_when_it_is_made(
    months: sessionmaker[Session],
) -> None:
    late = month(months, 2)
    drop(months, name_of(late))
    early, stray = written(months, month(months, 1), late + timedelta(days=3))
    assert events(months, "event_default") == [stray]
    assert Months(months).run_once() == 1
    assert events(months, "event_default") == []
    assert events(months, name_of(late)) == [stray]
    assert events(months) == [early, stray]
    assert events(months)[-1] < written(months, late)[0]
    with months() as session, pytest.raises(IntegrityError, match=f"pk_{name_of(late)}"):
        session.execute(insert(Event).values(id=stray, at=late, type="twice", data={}))


def test_this_month_is_missed_when_it_is_not_there(months: sessionmaker[Session]) -> None:
    drop(months, "event_before")
    with months() as session:
        assert not event_months.this_month_is_there(session)
    [number] = written(months, month(months, 0) + timedelta(days=1))
    assert Months(months).run_once() == 1
    with months() as session:
        assert event_months.this_month_is_there(session)
    assert events(months, name_of(month(months, 0))) == [number]


def test_of_two_schedulers_one_makes_the_months(months: sessionmaker[Session]) -> None:
    drop(months, name_of(month(months, 2)))
    with months.begin() as first:
        assert event_months.make_ahead(first) == [name_of(month(months, 2))]
        assert Months(months).run_once() == 0
    assert Months(months).run_once() == 0


def test_months_are_made_another_time_where_a_writer_is_in_the_way(months: sessionmaker[Session]) -> None:
    drop(months, name_of(month(months, 2)))
    with months.begin() as writer:
        writer.execute(insert(Event).values(type="slow", data={}))
        with pytest.raises(OperationalError, match="lock timeout"):
            Months(months).run_once()
    assert Months(months).run_once() == 1


def test_a_month_goes_whole_and_not_before_all_of_it_is_old(
    months: sessionmaker[Session], tmp_path: Path
) -> None:
    drop(months, "event_before")
    Months(months).run_once()
    last, this = month(months, -1), month(months, 0)
    with months.begin() as session:
        for begins in (month(months, -2), last):
            event_months._make(session, begins)
    gone, *_, kept = written(
        months, month(months, -2), last, last + timedelta(days=20), this + timedelta(minutes=1)
    )
    [stray] = written(months, month(months, -3))
    keep_days = (datetime.now(UTC) - last - timedelta(days=10)) / timedelta(days=1)
    deleted: list[str] = []

    def note(_c: object, _cursor: object, sql: str, *_rest: object) -> None:
        if sql.startswith("DELETE FROM event"):
            deleted.append(sql.split()[2])

    event.listen(months.kw["bind"], "before_cursor_execute", note)
    assert Retention(months, open_store, Keep(events_days=keep_days)).run_once() == 2
    left = events(months)
    assert gone not in left
    assert stray not in left
    assert len(left) == 3
    assert kept in left
    assert name_of(month(months, -2)) not in names(months)
    assert name_of(last) in names(months)
    assert set(deleted) == {"event_default"}


def test_old_months_are_not_searched_for_what_is_new(months: sessionmaker[Session]) -> None:
    drop(months, "event_before")
    with months.begin() as session:
        for ahead in range(-6, 1):
            event_months._make(session, month(months, ahead))
    written(months, month(months, -5), month(months, 0) + timedelta(days=3))
    job = zoo.new_job(months)
    asked: list[tuple[str, object]] = []

    def note(_c: object, _cursor: object, sql: str, parameters: object, *_rest: object) -> None:
        if "FROM event" in sql:
            asked.append((sql, parameters))

    feed = Feed(months)
    feed._begin()
    engine = months.kw["bind"]
    event.listen(engine, "before_cursor_execute", note)
    feed._look()
    with months() as session:
        job_detail(session, job)
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) == 2
    with engine.connect() as connection:
        for sql, parameters in asked:
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", parameters).scalars())
            assert name_of(month(months, 0)) in plan
            for ahead in range(-6, -1):
                assert name_of(month(months, ahead)) not in plan
