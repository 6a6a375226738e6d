"""What many lines read and nothing else leads to: a mask, the embedding of a time, the memory of an encoder.

In depth-first order such a context stands where it is read first, within the first of the blocks that read it, which
then is no stretch like the others. It goes to the front, with all that it is made of, as people write it.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

_LEAST_READERS = 3
_MOST_VISITS = 8
"""How often a line is looked at on average, at most: with more contexts than that the others stay where they are."""


def contexts_first(needs: Sequence[Sequence[int]], leaving: Mapping[int, int]) -> list[int]:
    """An order of lines in which contexts and what they are made of come first, the others as they are.

    `needs`: the lines that each reads from, by number, all before it; `leaving`: how many outputs each computes.
    """
    readers: list[list[int]] = [[] for _ in needs]
    for number, needed in enumerate(needs):
        for each in needed:
            readers[each].append(number)
    first: dict[int, None] = {}
    visits = 0
    for number in range(len(needs)):
        if len(readers[number]) + leaving.get(number, 0) < _LEAST_READERS or number in first:
            continue
        # From the last line to the first: when one is reached, all of the cone that read it have been.
        cone, waiting, closed = {number}, [-other for other in needs[number]], True
        heapq.heapify(waiting)
        while waiting and closed:
            other = -heapq.heappop(waiting)
            visits += 1
            if other not in cone and other not in first:
                closed = not leaving.get(other) and all(
                    reader in cone or reader in first for reader in readers[other]
                )
                cone.add(other)
                for before in needs[other]:
                    heapq.heappush(waiting, -before)
        if closed:
            first |= dict.fromkeys(sorted(cone))
        if visits > _MOST_VISITS * len(needs):
            break
    return [*first, *(number for number in range(len(needs)) if number not in first)]
