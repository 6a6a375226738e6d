"""Which nested model each line stands in, and in which call of that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from keras2torch.graph.model import Container, Graph
from keras2torch.structure.body import Line

Place = tuple[str, int]
"""Path of a nested model, and which call of it. Of the whole model: an empty path."""
OUTSIDE: Place = ("", 0)


class Containers:
    """The nested models of a graph, and how often each is called."""

    def __init__(self, graph: Graph, lines: Sequence[Line]) -> None:
        self._paths = set(_paths(graph.tree))
        calls: dict[str, set[int]] = {}
        for line in lines:
            calls.setdefault(line.layer, set()).add(line.call)
        self._calls = {"": 1}
        for path in self._paths:
            within = [len(found) for layer, found in calls.items() if layer.startswith(f"{path}/")]
            # A layer may be called more often than the model it is in, never less often.
            self._calls[path] = min(within, default=1)
        self._layer_calls = {layer: len(found) for layer, found in calls.items()}
        for line in lines:
            line.container = self._place(line)

    def _place(self, line: Line) -> Place:
        path = line.layer
        while path and path not in self._paths:
            path = path.rpartition("/")[0]
        return (path, self._scaled(line.call, self._layer_calls[line.layer], path))

    def outer(self, place: Place) -> Place:
        """The nested model round that of `place`."""
        path, call = place
        above = path.rpartition("/")[0]
        while above and above not in self._paths:
            above = above.rpartition("/")[0]
        return (above, self._scaled(call, self._calls[path], above))

    def _scaled(self, call: int, calls: int, path: str) -> int:
        return call * self._calls[path] // max(calls, 1)


def depth(place: Place) -> int:
    """How deep a nested model stands; 0 outside of all."""
    return place[0].count("/") + 1 if place[0] else 0


def _paths(tree: Container) -> Iterator[str]:
    for child in tree.children:
        if isinstance(child, Container):
            yield child.name
            yield from _paths(child)
