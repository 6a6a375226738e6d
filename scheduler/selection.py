"""Which of a store's objects a batch takes, as the operator says it: patterns of keys, and whether only what is needed.

An object is taken if some `include` matches it (or there is none) and no `exclude` does: exclusion wins, and the order
in which patterns were given means nothing. What does not look like a model is never taken, whatever the patterns say.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any


class BadPattern(ValueError):
    """A pattern that means nothing; one line."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Patterns as in `expression_of`. Raises `BadPattern` when it is made."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only_needed: bool = False
    """Leave out what an older converter dealt with, unless it failed then: the nightly run's way."""

    def __post_init__(self) -> None:
        _ = self._included, self._excluded

    def takes(self, key: str) -> bool:
        """Whether the patterns let this key in."""
        if self._excluded is not None and self._excluded.fullmatch(key):
            return False
        return self._included is None or self._included.fullmatch(key) is not None

    def as_json(self) -> dict[str, Any]:
        """What differs from the default, so that a batch of everything has an empty selection."""
        return {name: value for name, value in asdict(self).items() if value}

    @classmethod
    def of_json(cls, row: Mapping[str, Any]) -> "Selection":
        """The selection that `as_json` wrote."""
        return cls(
            include=tuple(row.get("include", ())),
            exclude=tuple(row.get("exclude", ())),
            only_needed=bool(row.get("only_needed", False)),
        )

    @cached_property
    def _included(self) -> re.Pattern[str] | None:
        return _any_of(self.include)

    @cached_property
    def _excluded(self) -> re.Pattern[str] | None:
        return _any_of(self.exclude)


def expression_of(pattern: str) -> str:
    """The regular expression for a whole key.

    `*` and `?` stand for what is within one folder, `**` for any number of folders, `[a-c]` and `[!a-c]` for one
    letter. A pattern without a slash is about the name alone, in whatever folder; one with a slash about the whole key;
    one that ends in a slash about all there is below that folder.

    Raises:
        BadPattern: it is empty, or a bracket is left open.
    """
    whole = pattern.removeprefix("/")
    if not whole:
        raise BadPattern(f"{pattern!r} is no pattern: it is empty")
    if whole.endswith("/"):
        whole += "**"
    if "/" not in pattern:
        whole = f"**/{whole}"
    return "".join(_expression(piece, pattern) for piece in _TOKENS.findall(whole))


_TOKENS = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]/]*\]|.", re.DOTALL)
_WILD = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _expression(piece: str, pattern: str) -> str:
    if piece in _WILD:
        return _WILD[piece]
    if piece == "[":
        raise BadPattern(f"{pattern!r} is no pattern: a bracket is left open")
    if len(piece) == 1:
        return re.escape(piece)
    negated = piece[1] in "!^"
    letters = piece[2 if negated else 1 : -1]
    # Only the hyphen keeps its meaning within the brackets.
    inside = "".join(each if each == "-" else re.escape(each) for each in letters)
    return f"[^/{inside}]" if negated else f"[{inside}]"


def _any_of(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    if not patterns:
        return None
    try:
        return re.compile("|".join(f"(?:{expression_of(each)})" for each in patterns), re.DOTALL)
    except re.error as error:
        raise BadPattern(f"{', '.join(patterns)}: {error}") from error


EVERYTHING = Selection()
"""Without patterns."""
