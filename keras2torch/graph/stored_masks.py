"""Takes out the masks that Keras 3 wrote into the wiring of a model as if the caller had computed them.

A mask travels with its tensor, from the Masking or Embedding that made it to the layer that uses it, and says nothing
new: the layers on the way decide it. Keras 3 nevertheless stores it as operations in the graph (`NotEqual` and `Any` on
the input of a Masking, `LogicalOr` for an Add ...) that end in the call argument `mask`. Where all of these are the
ones that Keras makes by itself, the argument becomes `IMPLICIT` and the operations go; any other mask stays as it is,
to be refused later.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

IMPLICIT = "the mask that came with the input"
"""Stands for a stored mask in call arguments. The conversion checks that the input does carry one."""

MASK_OPERATIONS = frozenset(
    {
        "All",
        "Any",
        "Concatenate",
        "ConvertToTensor",
        "ExpandDims",
        "LogicalAnd",
        "LogicalOr",
        "NotEqual",
        "OnesLike",
        "ZerosLike",
    }
)
"""What Keras 3 computes masks with, as class names in the graph."""
_Entry = Mapping[str, Any]


def without_stored_masks(entries: Sequence[_Entry], ends: frozenset[str]) -> list[_Entry]:
    """The layer entries of one Keras 3 model without the masks that its layers make by themselves.

    `ends` are the names of its inputs and outputs, which stay whatever they are.
    """
    masks = {name for entry in entries for kwargs in _kwargs(entry) for name in _mask_sources(kwargs)}
    implied = _implied(entries) if masks else set()
    if not masks & implied:
        return list(entries)
    masked = [_with_implicit(entry, implied) for entry in entries]
    sources = {_name(entry): list(_sources(entry.get("inbound_nodes"))) for entry in masked}
    readers = Counter(source for each in sources.values() for source in each)
    removable = implied - ends
    unread = [name for name in removable if not readers[name]]
    dropped: set[str] = set()
    while unread:
        name = unread.pop()
        dropped.add(name)
        readers.subtract(sources[name])
        unread += {source for source in sources[name] if source in removable and not readers[source]}
    return [entry for entry in masked if _name(entry) not in dropped]


def _implied(entries: Sequence[_Entry]) -> set[str]:
    """Names of the operations that compute nothing but masks that Keras makes by itself."""
    made = _made_by_layers(entries)
    found: set[str] = set()
    lacking: dict[str, set[str]] = {}
    readers: dict[str, list[str]] = {}
    ready: list[str] = []
    for entry in entries:
        name, kind = _name(entry), entry.get("class_name")
        if not isinstance(kind, str) or kind not in MASK_OPERATIONS:
            continue
        sources = set(_sources(entry.get("inbound_nodes")))
        if kind == "NotEqual":
            if len(sources) == 1 and (*sources, _constant(entry)) in made:
                ready.append(name)
        elif kind in ("OnesLike", "ZerosLike"):
            ready.append(name)
        elif sources:
            lacking[name] = sources
            for source in sources:
                readers.setdefault(source, []).append(name)
    while ready:
        name = ready.pop()
        found.add(name)
        for reader in readers.get(name, ()):
            lacking[reader].discard(name)
            if not lacking[reader]:
                ready.append(reader)
    return found


def _made_by_layers(entries: Sequence[_Entry]) -> set[tuple[str, float | None]]:
    """(name of the tensor's layer, value that marks a step as masked) of every layer that makes masks."""
    made: set[tuple[str, float | None]] = set()
    for entry in entries:
        config = entry.get("config")
        if not isinstance(config, Mapping):
            continue
        value = None
        if entry.get("class_name") == "Masking":
            value = config.get("mask_value", 0.0)
        elif entry.get("class_name") == "Embedding" and config.get("mask_zero") is True:
            value = 0
        if isinstance(value, int | float):
            made.update((name, value) for name in _sources(entry.get("inbound_nodes")))
    return made


def _constant(entry: _Entry) -> float | None:
    nodes = entry.get("inbound_nodes")
    if isinstance(nodes, list) and len(nodes) == 1 and isinstance(nodes[0], Mapping):
        args = nodes[0].get("args")
        if isinstance(args, list) and len(args) == 2 and isinstance(args[1], int | float):
            return args[1]
    return None


def _name(entry: _Entry) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) else ""


def _kwargs(entry: _Entry) -> Iterator[Mapping[str, Any]]:
    nodes = entry.get("inbound_nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, Mapping) and isinstance(node.get("kwargs"), Mapping):
            yield node["kwargs"]


def _mask_sources(kwargs: Mapping[str, Any]) -> Iterator[str]:
    """What the argument `mask` comes from. Of several inputs Keras states no masks, so a list is the caller's own."""
    mask = kwargs.get("mask")
    if not isinstance(mask, list):
        yield from _sources(mask)


def _with_implicit(entry: _Entry, implied: set[str]) -> _Entry:
    if not any(set(_mask_sources(kwargs)) & implied for kwargs in _kwargs(entry)):
        return entry
    nodes = []
    for node in entry["inbound_nodes"]:
        kwargs = node.get("kwargs") if isinstance(node, Mapping) else None
        sources = set(_mask_sources(kwargs)) if isinstance(kwargs, Mapping) else set()
        known = bool(sources) and sources <= implied
        nodes.append({**node, "kwargs": {**node["kwargs"], "mask": IMPLICIT}} if known else node)
    return {**entry, "inbound_nodes": nodes}


def _sources(value: Any) -> Iterator[str]:
    """Names of the layers whose outputs stand anywhere in `value`."""
    if isinstance(value, Mapping):
        history = value.get("keras_history")
        if isinstance(history, list) and history and isinstance(history[0], str):
            yield history[0]
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _sources(item)
