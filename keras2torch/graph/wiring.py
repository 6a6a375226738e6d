"""How each Keras generation writes down who feeds whom: `inbound_nodes` and friends, in one spelling.

A call in the file names tensors as (layer name, node index, tensor index); what the node index counts differs between
generations for nested models, see `first_index`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras2torch.errors import BadConfig
from keras2torch.source.model import Generation


@dataclass(frozen=True)
class NamedRef:
    """A tensor as the configuration names it."""

    layer: str
    node: int
    tensor: int


@dataclass(frozen=True)
class SavedCall:
    """One entry of `inbound_nodes`: leaves of `args` and `kwargs` are `NamedRef` where a tensor is meant.

    Whatever else Keras writes there (numbers, `__slice__` and other objects) stands as it is: constants.
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)


def saved_calls(layer: Mapping[str, Any], generation: Generation) -> tuple[SavedCall, ...]:
    """The calls of one layer entry of a Functional configuration. Raises `BadConfig`."""
    nodes = layer.get("inbound_nodes", [])
    if not isinstance(nodes, list):
        raise BadConfig("inbound_nodes is not a list", spot=str(layer.get("name")))
    try:
        if generation is Generation.KERAS3:
            return tuple(_keras3_call(node) for node in nodes)
        return tuple(_keras2_call(node) for node in nodes)
    except BadConfig as error:
        error.spot = error.spot or str(layer.get("name"))
        raise


def _keras3_call(node: Any) -> SavedCall:
    if not isinstance(node, Mapping) or not isinstance(node.get("args"), list):
        raise BadConfig("an inbound node is not an object with args")
    kwargs = node.get("kwargs") or {}
    if not isinstance(kwargs, Mapping):
        raise BadConfig("kwargs of an inbound node is not an object")
    args = tuple(_keras3_value(value) for value in node["args"])
    return SavedCall(args, {key: _keras3_value(value) for key, value in kwargs.items()})


def _keras3_value(value: Any) -> Any:
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            config = value.get("config")
            history = config.get("keras_history") if isinstance(config, Mapping) else None
            return named_ref(history)
        return {key: _keras3_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_keras3_value(item) for item in value]
    return value


def _keras2_call(node: Any) -> SavedCall:
    if isinstance(node, Mapping):
        named = {key: _keras2_call(item) for key, item in node.items()}
        kwargs = {key: value for call in named.values() for key, value in call.kwargs.items()}
        return SavedCall(({key: list(call.args) for key, call in named.items()},), kwargs)
    args: list[Any] = []
    kwargs = {}
    for entry in _keras2_entries(node):
        # tf.keras writes a first argument that is no tensor as ["_CONSTANT_VALUE", -1, value, kwargs].
        constant = entry[:2] == ["_CONSTANT_VALUE", -1]
        args.append(entry[2] if constant else named_ref(entry[:3]))
        if len(entry) == 4 and entry[3]:
            if not isinstance(entry[3], Mapping):
                raise BadConfig("call arguments of an inbound node are not an object")
            kwargs = {key: _keras2_value(value) for key, value in entry[3].items()}
    return SavedCall(tuple(args), kwargs)


def _keras2_entries(node: Any) -> Iterator[list[Any]]:
    """Each [layer, node, tensor(, kwargs)] of one call, which may stand bare, in a list or in a dict."""
    if isinstance(node, Mapping):
        node = [node[key] for key in sorted(node)]
    if not isinstance(node, list):
        raise BadConfig("an inbound node is not a list of [layer, node, tensor]")
    if node and isinstance(node[0], str):
        if len(node) not in (3, 4):
            raise BadConfig("an inbound node is not a list of [layer, node, tensor]")
        yield node
    else:
        for item in node:
            yield from _keras2_entries(item)


def _keras2_value(value: Any) -> Any:
    # tf.keras has no mark for tensors in call arguments: any list of that form is one to its own loader too.
    if isinstance(value, list):
        if len(value) in (3, 4) and isinstance(value[0], str) and isinstance(value[1], int | float):
            return named_ref(value[:3])
        return [_keras2_value(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _keras2_value(item) for key, item in value.items()}
    return value


def named_ref(value: Any) -> NamedRef:
    """`["name", 0, 0]` as a `NamedRef`. Raises `BadConfig`."""
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not isinstance(value[0], str)
        or any(type(index) is not int or index < 0 for index in value[1:])
    ):
        raise BadConfig("a tensor is not named as [layer, node, tensor]")
    return NamedRef(value[0], value[1], value[2])


def boundary_refs(value: Any) -> tuple[NamedRef, ...]:
    """`input_layers` or `output_layers`, flattened as Keras flattens them.

    Keras 3 writes a single tensor bare; dict-structured models keep their keys, which Keras orders alphabetically.
    """
    if isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
        return (named_ref(value),)
    if isinstance(value, list):
        return tuple(ref for item in value for ref in boundary_refs(item))
    if isinstance(value, Mapping):
        return tuple(ref for key in sorted(value) for ref in boundary_refs(value[key]))
    raise BadConfig("inputs or outputs of the model are not named as [layer, node, tensor]")


def leaves_in(value: Any) -> Iterator[Any]:
    """What stands in a nested structure, left to right, dicts by sorted key, as Keras flattens them."""
    if isinstance(value, Mapping):
        for key in sorted(value):
            yield from leaves_in(value[key])
    elif isinstance(value, list | tuple):
        for item in value:
            yield from leaves_in(item)
    else:
        yield value


def named_refs_in(value: Any) -> Iterator[NamedRef]:
    """Every `NamedRef` in a nested structure, as `leaves_in` orders them."""
    return (leaf for leaf in leaves_in(value) if isinstance(leaf, NamedRef))


def first_index(
    *,
    calls: int,
    used: set[int],
    nested: str | None,
    has_input_layer: bool,
    generation: Generation,
    output: bool,
) -> int:
    """The index that names the first saved call of a layer: 0 or 1.

    A nested model was already called once when it was built, and most generations count that call. `nested` is the
    class of the nested model or None for a plain layer, `used` are the indices that occur, `output` says whether they
    occur in `output_layers`. The indices themselves decide where they can (0 or `calls` among them); the table of
    what each generation writes decides the rest. Raises `BadConfig` on a contradiction.
    """
    if nested is None:
        base = 0
    elif generation in (Generation.KERAS1, Generation.KERAS2):
        base = 1
    elif generation is Generation.TF_KERAS:
        base = 1 if nested != "Sequential" or has_input_layer else 0
    else:
        base = 1 if output and nested != "Sequential" else 0
    if nested is not None:
        if 0 in used and calls in used:
            raise BadConfig("node indices contradict each other")
        if 0 in used:
            base = 0
        elif calls in used:
            base = 1
    return base
