"""Takes out the masks that Keras 3 wrote into the wiring of a model as if the caller had computed them.

A mask travels with its tensor, from the Masking or Embedding that made it to the layer that uses it, and says nothing
new: the layers on the way decide it. Keras 3 nevertheless stores it as operations in the graph (`NotEqual` and `Any` on
the input of a Masking, `LogicalOr` for an Add ...) that end in the call argument `mask`. Where all of these are the
ones that Keras makes by itself, the argument becomes `IMPLICIT` and the operations go; any other mask stays as it is, to
be refused later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

IMPLICIT = "the mask that came with the input"
"""Stands for a stored mask in call arguments. The conversion checks that the input does carry one."""

_MASK_OPERATIONS = frozenset(
    {
        "All",
        "Any",
        "Concatenate",
        "ExpandDims",
        "LogicalAnd",
        "LogicalOr",
        "NotEqual",
        "OnesLike",
        "ZerosLike",
    }
)
_Entry = Mapping[str, Any]


def without_stored_masks(entries: Sequence[_Entry], ends: frozenset[str]) -> list[_Entry]:
    """The layer entries of one Keras 3 model without the masks that its layers make by themselves.

    `ends` are the names of its inputs and outputs, which stay whatever they are.
    """
    by_name = {entry.get("name"): entry for entry in entries}
    made = _made_by_layers(entries)
    chains: dict[str, set[str] | None] = {}
    for entry in entries:
        for kwargs in _kwargs(entry):
            for name in _sources(kwargs.get("mask")):
                if name not in chains:
                    chains[name] = _chain(name, by_name, made)
    known = {name for name, chain in chains.items() if chain is not None}
    if not known:
        return list(entries)
    masked = [_with_implicit(entry, known) for entry in entries]
    removable = {name for chain in chains.values() if chain for name in chain} - ends
    while True:
        read = {name for entry in masked for name in _sources(entry.get("inbound_nodes"))}
        left = [entry for entry in masked if entry.get("name") in read or entry.get("name") not in removable]
        if len(left) == len(masked):
            return left
        masked = left


def _made_by_layers(entries: Sequence[_Entry]) -> set[tuple[str, float]]:
    """(name of the tensor's layer, value that marks a step as masked) of every layer that makes masks."""
    made = set()
    for entry in entries:
        config = entry.get("config")
        if not isinstance(config, Mapping):
            continue
        if entry.get("class_name") == "Masking":
            value = config.get("mask_value", 0.0)
        elif entry.get("class_name") == "Embedding" and config.get("mask_zero") is True:
            value = 0
        else:
            continue
        made.update((name, value) for name in _sources(entry.get("inbound_nodes")))
    return made


def _chain(name: str, by_name: Mapping[Any, _Entry], made: set[tuple[str, float]]) -> set[str] | None:
    """The operations behind a mask, or None if anything there is not what Keras makes by itself."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        if here in found:
            continue
        entry = by_name.get(here)
        if entry is None or entry.get("class_name") not in _MASK_OPERATIONS:
            return None
        found.add(here)
        sources = list(_sources(entry.get("inbound_nodes")))
        if entry["class_name"] == "NotEqual":
            constant = _constant(entry)
            if len(sources) != 1 or constant is None or (sources[0], constant) not in made:
                return None
        elif entry["class_name"] not in ("OnesLike", "ZerosLike"):
            waiting += sources
    return found


def _constant(entry: _Entry) -> float | None:
    nodes = entry.get("inbound_nodes")
    if isinstance(nodes, list) and len(nodes) == 1 and isinstance(nodes[0], Mapping):
        args = nodes[0].get("args")
        if isinstance(args, list) and len(args) == 2 and isinstance(args[1], int | float):
            return args[1]
    return None


def _kwargs(entry: _Entry) -> Iterator[Mapping[str, Any]]:
    nodes = entry.get("inbound_nodes")
    for node in nodes if isinstance(nodes, list) else ():
        if isinstance(node, Mapping) and isinstance(node.get("kwargs"), Mapping):
            yield node["kwargs"]


def _with_implicit(entry: _Entry, known: set[str]) -> _Entry:
    if not any(set(_sources(kwargs.get("mask"))) & known for kwargs in _kwargs(entry)):
        return entry
    nodes = []
    for node in entry["inbound_nodes"]:
        sources = set(_sources(node["kwargs"].get("mask")))
        if sources and sources <= known:
            node = {**node, "kwargs": {**node["kwargs"], "mask": IMPLICIT}}
        nodes.append(node)
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
