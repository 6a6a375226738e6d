"""How many tries get through: one after another, many at once, and after one that did not fail."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from db.models import LoginFailure
from db.queries import login_failures
from db.queries.login_failures import keys, of_address

LONG_AGO = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)


def tried(sessions: sessionmaker[Session], name: str, address: str = "192.0.2.1") -> bool:
    with sessions.begin() as session:
        return login_failures.admit(session, keys(name, address))


def pauses_end(sessions: sessionmaker[Session]) -> None:
    with sessions.begin() as session:
        session.execute(update(LoginFailure).values(blocked_until=LONG_AGO))


def failures(sessions: sessionmaker[Session]) -> dict[str, int]:
    with sessions() as session:
        rows = session.execute(select(LoginFailure.key, LoginFailure.failures))
        return {row.key: row.failures for row in rows}


def test_of_many_at_once_as_many_are_tried_as_one_after_another(sessions: sessionmaker[Session]) -> None:
    with ThreadPoolExecutor(12) as pool:
        ends = list(pool.map(lambda _: tried(sessions, "anna"), range(24)))
    assert sum(ends) == 5


def test_an_address_that_tries_many_names_waits_and_so_does_a_name_tried_from_everywhere(
    sessions: sessionmaker[Session],
) -> None:
    assert sum(tried(sessions, f"user{number}") for number in range(30)) == 20
    assert not tried(sessions, "one more")
    assert tried(sessions, "one more", "192.0.2.2")
    assert sum(tried(sessions, "anna", f"198.51.100.{number}") for number in range(60)) == 50


def test_each_failure_doubles_the_pause_up_to_a_quarter_of_an_hour(sessions: sessionmaker[Session]) -> None:
    query = select(LoginFailure.at, LoginFailure.blocked_until).where(LoginFailure.key.startswith("both"))
    seconds = []
    for _ in range(14):
        assert tried(sessions, "anna")
        with sessions() as session:
            at, until = session.execute(query).one()
        seconds.append(until and round((until - at).total_seconds()))
        pauses_end(sessions)
    assert seconds == [None, None, None, None, 5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


def test_whoever_gets_in_begins_anew_and_the_address_does_not(sessions: sessionmaker[Session]) -> None:
    for name in ("@anna", "berta", "@anna"):  # names that look like addresses are none
        assert tried(sessions, name)
    with sessions.begin() as session:
        login_failures.forget(session, keys("@anna", "192.0.2.1"))
    assert failures(sessions) == {
        "address 192.0.2.1": 2,
        "both 192.0.2.1 berta": 1,
        "name berta": 1,
    }


def test_a_refused_try_makes_no_pause_longer(sessions: sessionmaker[Session]) -> None:
    while tried(sessions, "anna"):
        pass
    before = failures(sessions)
    assert not tried(sessions, "anna")
    assert failures(sessions) == before


def test_what_is_a_day_old_is_forgotten(sessions: sessionmaker[Session]) -> None:
    while tried(sessions, "anna"):
        pass
    with sessions.begin() as session:
        session.execute(update(LoginFailure).values(at=LONG_AGO))
    assert tried(sessions, "anna")
    assert set(failures(sessions).values()) == {1}
    assert of_address("192.0.2.1").keys() < failures(sessions).keys()
