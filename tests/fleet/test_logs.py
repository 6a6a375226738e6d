"""Following a log: nothing twice and nothing left out, whatever of it is kept."""

import pytest

from db.records import LogTail
from fleet import logs
from fleet.logs import Heard, followed

WHOLE = "".join(f"line {number}\n" for number in range(40))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_LOOK_SECONDS", 0.0)


def printed(*found: Heard) -> str:
    looks = iter(found)
    return "".join(followed(lambda: next(looks)))


def live(said: int, kept: int = 1000) -> Heard:
    return Heard("live", LogTail(WHOLE[max(said - kept, 0) : said], said))


def stored(text: str) -> Heard:
    return Heard("stored", LogTail(text, len(text)))


def test_each_part_is_printed_once_wherever_it_is_cut() -> None:
    assert printed(live(0), live(5), live(5), live(100), stored(WHOLE)) == WHOLE
    assert printed(stored(WHOLE)) == WHOLE
    assert printed(live(len(WHOLE)), stored(WHOLE)) == WHOLE


def test_of_what_was_kept_no_more_the_rest_is_printed() -> None:
    assert printed(live(10), live(100, kept=20), stored(WHOLE)) == WHOLE[:10] + WHOLE[80:]


def test_a_stored_log_that_left_out_its_middle_goes_on_behind_what_was_seen() -> None:
    assert printed(live(300), stored(WHOLE[50:])) == WHOLE
    assert printed(live(200), stored("another\n")) == f"{WHOLE[:200]}\n--- all of it\nanother\n"


def test_the_last_words_of_a_lost_attempt_end_it() -> None:
    assert printed(live(100), Heard("partial", LogTail(WHOLE[:120], 120))) == WHOLE[:120]
