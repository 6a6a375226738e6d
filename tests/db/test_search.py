"""What a search means, and that one which means nothing says so."""

from datetime import UTC, datetime, timedelta

import pytest

from db.search import BadSearch, Field, Search, Term, parse
from db.states import JobState

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", ()),
        ("  state:failed  ", (Term(Field.STATE, (JobState.FAILED,)),)),
        ("STATE:Failed,queued", (Term(Field.STATE, (JobState.FAILED, JobState.QUEUED)),)),
        ("state:failed key:a state:queued", (
            Term(Field.STATE, (JobState.FAILED, JobState.QUEUED)), Term(Field.KEY, ("a",)),
        )),
        ("key:a key:b", (Term(Field.KEY, ("a",)), Term(Field.KEY, ("b",)))),
        ("-state:failed -state:queued", (
            Term(Field.STATE, (JobState.FAILED,), negated=True), Term(Field.STATE, (JobState.QUEUED,), negated=True),
        )),
        ("17 18,19", (Term(Field.ID, (17, 18, 19)),)),
        ("resnet", (Term(Field.KEY, ("resnet",)),)),
        ("-resnet", (Term(Field.KEY, ("resnet",), negated=True),)),
        ('key:"my model,final"', (Term(Field.KEY, ("my model,final",)),)),
        ('"a:b c"', (Term(Field.KEY, ("a:b c",)),)),
        ("-", (Term(Field.KEY, ("-",)),)),
        ("created-after:36h", (Term(Field.CREATED_AFTER, (NOW - timedelta(hours=36),)),)),
        ("finished-before:2026-11-01", (Term(Field.FINISHED_BEFORE, (datetime(2026, 11, 1, tzinfo=UTC),)),)),
        ("finished-before:2026-11-01T10:00+02:00", (
            Term(Field.FINISHED_BEFORE, (datetime(2026, 11, 1, 8, tzinfo=UTC),)),
        )),
    ],
)  # fmt: skip
def test_words_become_terms(text: str, terms: tuple[Term, ...]) -> None:
    assert parse(text, at=NOW) == Search(terms)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stat:failed", "'stat:failed': no field 'stat'; there are job, state, "),
        ("-state:lost", "'-state:lost': no state 'lost'; there are queued, running, "),
        ("batch:x", "'batch:x': 'x' is no number"),
        ("99999999999999999999", "'99999999999999999999': '99999999999999999999' is no number"),
        ("key:", "'key:': key of what?"),
        ("state:,", "'state:,': state of what?"),
        ("created-after:yesterday", "'yesterday' is neither an age (24h, 7d) nor a date (2026-11-30)"),
        ("created-after:999999w", "'999999w' is too long ago"),
        ('key:"a', "a quote is not closed"),
        ("key:a\0b", "a character that no key has"),
    ],
)
def test_a_word_that_means_nothing_is_named(text: str, message: str) -> None:
    with pytest.raises(BadSearch) as caught:
        parse(text, at=NOW)
    assert message in str(caught.value)


def test_only_numbers_are_a_choice_of_single_jobs() -> None:
    assert parse("3 job:4").is_by_number
    assert not parse("3 state:failed").is_by_number
    assert not parse("-3").is_by_number
    assert not parse("").is_by_number
