"""Searches as links carry them: the text of the filter language, and changes to it."""

import re
from dataclasses import dataclass
from http import HTTPStatus

from db.search import BadSearch, Search, parse
from db.states import JobState

_WORD = re.compile(r"""(?:[^\s"]|"[^"]*")+""")
_NEEDS_QUOTES = re.compile(r'[\s",:-]')


@dataclass(frozen=True)
class Asked:
    """What a reader typed, what it means, and what is wrong with it."""

    text: str
    search: Search
    problem: str | None = None

    @property
    def is_usable(self) -> bool:
        """Whether jobs may be looked for with it."""
        return self.problem is None

    @property
    def status(self) -> HTTPStatus:
        """Of a page that shows what it finds."""
        return HTTPStatus.OK if self.is_usable else HTTPStatus.BAD_REQUEST


def asked(text: str) -> Asked:
    """Read `text`; one that means nothing finds nothing and says why."""
    text = text.strip()
    try:
        return Asked(text, parse(text))
    except BadSearch as error:
        return Asked(text, Search(), str(error))


def with_state(text: str, state: JobState | None) -> str:
    """The same search among jobs in `state`; None: in any."""
    words = [word for word in _WORD.findall(text) if not word.lower().startswith("state:")]
    return " ".join([*([f"state:{state}"] if state else []), *words])


def only_state(text: str) -> str | None:
    """The state that a search asks for by itself, if it asks for one."""
    found = [word[6:].lower() for word in _WORD.findall(text) if word.lower().startswith("state:")]
    return found[0] if len(found) == 1 and found[0] in set(JobState) else None


def term(field: str, value: object) -> str:
    """One term, quoted where its value needs that; the language has no word for a quote."""
    text = str(value).replace('"', "")
    return f'{field}:"{text}"' if _NEEDS_QUOTES.search(text) else f"{field}:{text}"
