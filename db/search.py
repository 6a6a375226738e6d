"""The filter language: which jobs, in words that a person types and a URL can hold.

    state:failed,quarantined error:unsupported layer:LSTM key:resnet -batch:3

Terms are separated by spaces and all must hold. A comma is "or"; so is the same field again, where a job has only one
value of it. A minus in front is "not". Quotes keep spaces and commas: `key:"my model"`. A bare number is a job, any
other bare word part of a key.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from db.states import JobState


class BadSearch(ValueError):
    """A term that means nothing; the message names it."""


class Field(Enum):
    """What a term may speak of: the word for it, and whether a job has just one value of it."""

    ID = ("job", True)
    STATE = ("state", True)
    BATCH = ("batch", True)
    WORKER = ("worker", True)
    CONVERTER = ("converter", True)
    QUEUE = ("queue", True)
    ERROR = ("error", True)
    """Part of the kind of error, as `unsupported`."""
    FINGERPRINT = ("fingerprint", True)
    """Of an error: equal for equal causes."""
    LAYER = ("layer", False)
    """A class of layer that a refusal names, as `LSTM`."""
    KEY = ("key", False)
    """Part of the source's key, whatever the case; with `*` and `?`, all of it."""
    CREATED_AFTER = ("created-after", False)
    CREATED_BEFORE = ("created-before", False)
    FINISHED_AFTER = ("finished-after", False)
    FINISHED_BEFORE = ("finished-before", False)

    def __init__(self, word: str, single: bool) -> None:
        self.word = word
        self.single = single


Value = str | int | JobState | datetime

_BY_WORD = {field.word: field for field in Field}
_NUMBERS = frozenset({Field.ID, Field.BATCH})
_MOMENTS = frozenset({Field.CREATED_AFTER, Field.CREATED_BEFORE, Field.FINISHED_AFTER, Field.FINISHED_BEFORE})
_LARGEST = 2**63 - 1
_AGE = re.compile(r"(\d{1,6})([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TERM = re.compile(r"""(?:[^\s"]|"[^"]*")+""")
_ITEM = re.compile(r"""(?:[^,"]|"[^"]*")+""")


@dataclass(frozen=True)
class Term:
    """One condition: the field has one of the values; `negated`: it has none of them."""

    field: Field
    values: tuple[Value, ...]
    negated: bool = False


@dataclass(frozen=True)
class Search:
    """Conditions that all hold; none at all means every job."""

    terms: tuple[Term, ...] = ()

    def values(self, field: Field) -> tuple[Value, ...]:
        """What `field` may be, by the terms that are not negated."""
        return tuple(
            value for term in self.terms if term.field is field and not term.negated for value in term.values
        )

    def split_states(self) -> tuple[list[JobState], "Search"]:
        """The states that it asks for, each once, and the rest of it."""
        states = [value for value in self.values(Field.STATE) if isinstance(value, JobState)]
        rest = tuple(term for term in self.terms if term.field is not Field.STATE or term.negated)
        return list(dict.fromkeys(states)), Search(rest)

    @property
    def is_by_number(self) -> bool:
        """Whether it names jobs by their numbers and nothing else."""
        return bool(self.terms) and all(term.field is Field.ID and not term.negated for term in self.terms)


def parse(text: str, *, at: datetime | None = None) -> Search:
    """Read a search; `at`: the moment from which ages such as `24h` count back (default: now).

    Raises: BadSearch: a term that means nothing.
    """
    at = at or datetime.now(UTC)
    if "\0" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise BadSearch("a character that no key has")
    if text.count('"') % 2:
        raise BadSearch("a quote is not closed")
    return joined(_term(word, at) for word in _TERM.findall(text))


def joined(terms: Sequence[Term] | Iterator[Term]) -> Search:
    """All of these; terms on one field of which a job has a single value are put together."""
    found: dict[tuple[Field, bool] | int, Term] = {}
    for number, term in enumerate(terms):
        together = term.field.single and not term.negated
        place = (term.field, term.negated) if together else number
        before = found.get(place)
        found[place] = term if before is None else Term(term.field, (*before.values, *term.values))
    return Search(tuple(found.values()))


def _term(word: str, at: datetime) -> Term:
    negated = word.startswith("-") and len(word) > 1
    body = word[1:] if negated else word
    name, colon, rest = body.partition(":")
    if colon and not name.startswith('"'):
        field = _BY_WORD.get(name.lower())
        if field is None:
            raise BadSearch(f"{word!r}: no field {name!r}; there are {', '.join(_BY_WORD)}")
    else:
        rest = body
        field = Field.ID if all(item.isdecimal() for item in body.split(",")) else Field.KEY
    items = [item.replace('"', "") for item in _ITEM.findall(rest)]
    if not items or not all(items):
        raise BadSearch(f"{word!r}: {field.word} of what?")
    return Term(field, tuple(_value(field, item, word, at) for item in items), negated)


def _value(field: Field, item: str, word: str, at: datetime) -> Value:
    if field is Field.STATE:
        if item.lower() not in set(JobState):
            raise BadSearch(f"{word!r}: no state {item!r}; there are {', '.join(JobState)}")
        return JobState(item.lower())
    if field in _NUMBERS:
        if not item.isdecimal() or int(item) > _LARGEST:
            raise BadSearch(f"{word!r}: {item!r} is no number")
        return int(item)
    if field in _MOMENTS:
        return _moment(item, word, at)
    return item


def _moment(item: str, word: str, at: datetime) -> datetime:
    """An age, as `24h` or `7d`, or a date or moment as ISO 8601 writes it, in UTC unless it says otherwise."""
    if age := _AGE.fullmatch(item):
        try:
            return at - timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
        except OverflowError:
            raise BadSearch(f"{word!r}: {item!r} is too long ago") from None
    try:
        moment = datetime.fromisoformat(item)
    except ValueError:
        raise BadSearch(f"{word!r}: {item!r} is neither an age (24h, 7d) nor a date (2026-11-30)") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
