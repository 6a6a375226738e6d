from datetime import UTC, datetime

import pytest

from scheduler.cron import BadSchedule, checked, latest_tick, next_tick


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def ticks(fields: str, zone: str, after: str, count: int) -> list[str]:
    found, last = [], at(after)
    for _ in range(count):
        last = next_tick(fields, zone, last)
        found.append(last.astimezone(UTC).strftime("%m-%d %H:%M"))
    return found


def test_a_fixed_time_in_the_hour_that_is_left_out_comes_right_behind_it() -> None:
    # Berlin, 29 March 2026: 02:00 CET is 03:00 CEST, 01:00 UTC.
    found = ticks("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00", 3)
    assert found == ["03-28 01:30", "03-29 01:00", "03-30 00:30"]


def test_a_fixed_time_in_the_hour_that_comes_twice_comes_once() -> None:
    # Berlin, 25 October 2026: 03:00 CEST is 02:00 CET, 01:00 UTC.
    found = ticks("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2)
    assert found == ["10-25 00:30", "10-26 01:30"]


def test_every_hour_comes_as_the_hours_do() -> None:
    assert ticks("30 * * * *", "Europe/Berlin", "2026-10-25T00:00", 3) == [
        "10-25 00:30",
        "10-25 01:30",
        "10-25 02:30",
    ]
    assert ticks("30 * * * *", "Europe/Berlin", "2026-03-29T00:00", 3) == [
        "03-29 00:30",
        "03-29 01:30",
        "03-29 02:30",
    ]


@pytest.mark.parametrize(
    ("fields", "after", "now", "expected"),
    [
        ("*/5 * * * *", "2020-01-01", "2026-03-01T10:02", "2026-03-01T10:00"),
        ("0 3 * * *", "2026-02-01", "2026-03-01T10:02", "2026-03-01T03:00"),
        ("0 3 1 * *", "2026-01-15", "2026-03-20T00:00", "2026-03-01T03:00"),
        ("0 3 1 1 *", "2020-01-15", "2026-12-31T00:00", "2026-01-01T03:00"),
        ("0 3 29 2 *", "2020-01-15", "2026-12-31T00:00", "2024-02-29T03:00"),
        ("0 3 * * *", "2026-03-01T03:00", "2026-03-01T10:00", None),
        ("0 3 * * *", "2026-03-01T02:59", "2026-03-01T03:00", "2026-03-01T03:00"),
    ],
)
def test_of_all_that_was_missed_the_last_is_made_up_for(
    fields: str, after: str, now: str, expected: str | None
) -> None:
    assert latest_tick(fields, "UTC", at(after), at(now)) == (expected and at(expected))


@pytest.mark.parametrize(
    ("fields", "zone", "message"),
    [
        ("0 3 * *", "UTC", "five fields are needed"),
        ("@daily", "UTC", "five fields are needed"),
        ("* * * * * *", "UTC", "five fields are needed"),
        ("61 3 * * *", "UTC", "Bad minute"),
        ("0 3 * * *", "Europe/Atlantis", "no time zone 'Europe/Atlantis'"),
        ("0 3 * * *", "../../etc/passwd", "no time zone"),
        ("0 3 31 2 *", "UTC", "never comes|Bad"),
    ],
)
def test_what_is_no_schedule_is_refused_in_a_line(fields: str, zone: str, message: str) -> None:
    with pytest.raises(BadSchedule, match=message) as caught:
        checked(fields, zone)
    assert "\n" not in str(caught.value)
