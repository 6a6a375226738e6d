"""Stretches of lines that may be one computation: all windows of a length are compared at once, by a rolling hash.

What a class of them would save at most is estimated here, so that only the most promising have to be compared exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from keras2torch.emit.code import Value
from keras2torch.emit.names import is_default_name
from keras2torch.structure.body import Line
from keras2torch.structure.naming import shared_words

Numbers = npt.NDArray[np.int64]

LONGEST = 96
SHORTEST = 2
_CLASS_LINES = 6
"""What a class costs beside its attributes and lines: its head, the heads of two methods, `super`, `return`."""
_CALL_LINES = 2
"""What an instance costs that does not follow another: an attribute and a line."""
_PREFIX_BONUS = 1.5
"""How much better a stretch is whose layers share a prefix that its neighbours lack."""
_WHOLE_BONUS = 1.2
"""How much better a stretch is that keeps the extents of its tensor from its first line to its last but one."""


@dataclass(frozen=True)
class Candidate:
    """Stretches of one `length` whose lines have the same forms, and what a class of them saves at most."""

    bound: float
    length: int
    starts: Numbers


class Windows:
    """Facts about each line, from which those about each window follow by sums and running extremes."""

    def __init__(self, lines: Sequence[Line], reading: Mapping[int, Sequence[int]]) -> None:
        self._count = len(lines)
        forms: dict[str, int] = {}
        tokens = np.array([forms.setdefault(line.form, len(forms)) for line in lines], dtype=np.uint64)
        mixed = (tokens + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        self._mixed = mixed ^ (mixed >> np.uint64(29))
        self._last_read = np.array(
            [
                max((n for value in line.targets for n in reading.get(id(value), [-1])), default=-1)
                for line in lines
            ],
            dtype=np.int64,
        )
        places: dict[tuple[str, int], int] = {}
        place = np.array([places.setdefault(line.container, len(places)) for line in lines])
        self._moves = np.concatenate([[0], np.cumsum(place[1:] != place[:-1])])
        self._members = _sums([len(line.members) for line in lines])
        self._resizes = _sums([_resizes(line) for line in lines])
        names = _group_names(lines)
        self._common = np.array([0, *(_common(*pair) for pair in pairwise(names)), 0], dtype=np.int64)

    def candidates(self, aside: int = 0) -> Iterator[Candidate]:
        """Windows whose lines have the forms of another's, in which what others read is computed by the last line and
        by `aside` (0 or 1) lines before it.
        """
        digest = np.zeros(self._count, dtype=np.uint64)
        latest = np.full(self._count, -1, dtype=np.int64)
        second = latest.copy()
        within = np.full(self._count, 1 << 30, dtype=np.int64)
        for length in range(1, min(LONGEST, self._count // 2) + 1):
            windows = self._count - length + 1
            digest = digest[:windows] * np.uint64(0x100000001B3) + self._mixed[length - 1 :]
            if length > 1:
                newest = self._last_read[length - 2 : length - 2 + windows]
                second = np.maximum(second[:windows], np.minimum(latest[:windows], newest))
                latest = np.maximum(latest[:windows], newest)
                within = np.minimum(within[:windows], self._common[length - 1 : length - 1 + windows])
            if length < SHORTEST:
                continue
            starts = np.arange(windows)
            last = starts + length - 1
            allowed = self._moves[length - 1 : length - 1 + windows] == self._moves[:windows]
            if aside:
                allowed &= (second <= last) & (latest > last) & (self._last_read[last] > last)
            else:
                allowed &= latest <= last
            starts = starts[allowed]
            order = np.argsort(digest[starts], kind="stable")
            keys = digest[starts][order]
            edges = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1], [True]]))
            for begin, end in pairwise(edges[: len(keys) and len(edges)]):
                if end - begin > 1:
                    found = starts[order[begin:end]]
                    bound = self.saving(length, found, within[found])
                    if bound > 0:
                        yield Candidate(bound, length, found)

    def saving(self, length: int, starts: Numbers, within: Numbers | None = None) -> float:
        """What a class of these windows saves at most, weighed by how natural a piece it is. `within`: how many words
        the names of their layers share.
        """
        if within is None:
            within = np.array([self._common[start + 1 : start + length].min() for start in starts])
        most = min(len(starts), 1 + int(starts[-1] - starts[0]) // length)
        first = int(starts[0])
        members = int(self._members[first + length] - self._members[first])
        apart = 1 + int(np.count_nonzero(np.diff(starts) > length))
        saved = float(most * (length + members) - (_CLASS_LINES + length + members) - _CALL_LINES * apart)
        outside = np.maximum(self._common[starts], self._common[starts + length])
        if 2 * np.count_nonzero(within > outside) > len(starts):
            saved *= _PREFIX_BONUS
        if self._resizes[first + length - 1] == self._resizes[first + 1]:
            saved *= _WHOLE_BONUS
        return saved


def _sums(numbers: Sequence[int]) -> Numbers:
    return np.concatenate([[0], np.cumsum(np.array(numbers, dtype=np.int64))])


def _resizes(line: Line) -> bool:
    """Whether the extents of a picture or a sequence change, channels aside."""
    target = line.targets[0]
    return any(value.rank == target.rank and extents(value) != extents(target) for value in line.reads)


def extents(value: Value) -> tuple[int | None, ...]:
    features_last = value.rank > 0 and value.axes[-1] == value.rank - 1
    return value.torch_shape[1:-1] if features_last else value.torch_shape[2:]


def _group_names(lines: Sequence[Line]) -> list[str]:
    """The layer of each line; for sums and the like that have the name Keras gives them, that of the line before."""
    names: list[str] = []
    for line in lines:
        inherits = names and not line.members and is_default_name(line.layer.rpartition("/")[2])
        names.append(names[-1] if inherits else line.layer)
    return names


def _common(one: str, other: str) -> int:
    """How many words of two names agree from the front; a name agrees with itself in all."""
    if one == other:
        return 99
    return shared_words([one.split("_"), other.split("_")])
