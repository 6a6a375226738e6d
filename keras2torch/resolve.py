"""Which stored array is which variable: by layer name, in nested models by weight name, by order as the last resort.

Keras stores the weights of a top-level layer under its name, as trainable weights followed by non-trainable ones. For a
nested model that list runs through all its layers, and what counts as trainable depends on flags (see `_stored_order`).
The shapes that the configuration implies are checked against the file here, before a single number is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from keras2torch import errors
from keras2torch.graph.model import Container, Graph
from keras2torch.source.model import Array, SourceModel, StoredWeight
from keras2torch.weights import WeightKey

Expected = Mapping[str, Sequence[WeightKey]]


def resolve(source: SourceModel, graph: Graph, expected: Expected) -> dict[WeightKey, Array]:
    """Find every expected variable in the file.

    Raises `MissingWeight`, `UnexpectedWeight` or `WrongShape`, naming layer and variable.
    """
    found: dict[WeightKey, Array] = {}
    containers = {child.name: child for child in graph.tree.children if isinstance(child, Container)}
    if source.each_layer:
        containers = {}
    groups: dict[str, list[WeightKey]] = {}
    for layer, keys in expected.items():
        group = layer if source.each_layer else graph.layers[layer].group
        groups.setdefault(group, []).extend(keys)
    for group, stored in source.weights.items():
        if stored and group not in groups:
            raise errors.UnexpectedWeight(f"{len(stored)} weights for a layer that has none", spot=group)
    for group, keys in groups.items():
        stored = source.weights.get(group, ())
        tree = containers.get(group)
        matched = _by_name(keys, stored) if tree is not None else None
        if matched is None:
            ordered = _stored_order(tree, graph, expected) if tree is not None else _layer_order(keys)
            matched = _by_order(group, ordered, stored)
        found.update({key: weight.array for key, weight in matched.items()})
    return found


def paired(source: SourceModel, graph: Graph, expected: Expected) -> SourceModel:
    """`source` with its weights under the names of the layers they are for.

    In a whole-model file they are. A file of weights may come from a model that gave other names to the same layers;
    there the layers with weights are paired by name if those are the same, else in order, as Keras itself pairs them.
    Raises `MissingWeight` or `UnexpectedWeight` where they are not equally many; `resolve` then checks every shape.
    """
    if source.architecture is None or source.each_layer:
        return source
    holding = {graph.layers[layer].group for layer, keys in expected.items() if keys}
    order = [child.name if isinstance(child, Container) else child for child in graph.tree.children]
    layers = [name for name in order if name in holding]
    stored = [name for name, weights in source.weights.items() if weights]
    if set(layers) == set(stored):
        return source
    if len(layers) != len(stored):
        error = errors.MissingWeight if len(stored) < len(layers) else errors.UnexpectedWeight
        raise error(f"{len(stored)} layers with weights in the file, {len(layers)} in the architecture")
    weights = {layer: source.weights[name] for layer, name in zip(layers, stored, strict=True)}
    return replace(source, weights=weights)


def _layer_order(keys: Sequence[WeightKey]) -> list[WeightKey]:
    return [key for key in keys if key.trainable] + [key for key in keys if not key.trainable]


def _stored_order(tree: Container, graph: Graph, expected: Expected) -> list[WeightKey]:
    trainable, frozen = _halves(tree, graph, expected)
    return trainable + frozen


def _halves(
    node: Container | str, graph: Graph, expected: Expected
) -> tuple[list[WeightKey], list[WeightKey]]:
    """(trainable, non-trainable) variables as `layer.trainable_weights` and `non_trainable_weights` list them."""
    if isinstance(node, str):
        keys = expected.get(node, ())
        return [key for key in keys if key.trainable], [key for key in keys if not key.trainable]
    halves = [_halves(child, graph, expected) for child in node.children]
    if not node.trainable:
        return [], [key for half in halves for part in half for key in part]
    return [key for half in halves for key in half[0]], [key for half in halves for key in half[1]]


def _by_order(
    group: str, keys: Sequence[WeightKey], stored: Sequence[StoredWeight]
) -> dict[WeightKey, StoredWeight]:
    if len(stored) < len(keys):
        missing = keys[len(stored)]
        raise errors.MissingWeight(
            f"{missing.role} {missing.shape} is missing: {len(stored)} weights stored, {len(keys)} expected",
            spot=missing.layer,
        )
    if len(stored) > len(keys):
        extra = stored[len(keys)]
        raise errors.UnexpectedWeight(
            f"{extra.name} {extra.shape} has no place: {len(stored)} weights stored, {len(keys)} expected",
            spot=group,
        )
    for key, weight in zip(keys, stored, strict=True):
        _check_shape(key, weight)
    return dict(zip(keys, stored, strict=True))


def _by_name(
    keys: Sequence[WeightKey], stored: Sequence[StoredWeight]
) -> dict[WeightKey, StoredWeight] | None:
    """Pair by layer name where names decide everything, else None.

    A stored name holds the layer's name among its path components; within one layer the stored order is the layer's.
    """
    by_layer: dict[str, list[WeightKey]] = {}
    for key in keys:
        by_layer.setdefault(key.layer, []).append(key)
    short = {layer.rsplit("/", 1)[-1]: layer for layer in by_layer}
    if len(short) != len(by_layer) or len(keys) != len(stored):
        return None
    shares: dict[str, list[StoredWeight]] = {layer: [] for layer in by_layer}
    for weight in stored:
        owners = {short[part] for part in weight.name.split("/")[:-1] if part in short}
        if len(owners) != 1:
            return None
        shares[owners.pop()].append(weight)
    matched: dict[WeightKey, StoredWeight] = {}
    for layer, share in shares.items():
        ordered = _layer_order(by_layer[layer])
        if len(share) != len(ordered):
            return None
        matched.update(zip(ordered, share, strict=True))
    for key, weight in matched.items():
        _check_shape(key, weight)
    return matched


def _check_shape(key: WeightKey, weight: StoredWeight) -> None:
    if weight.shape not in (key.shape, *key.other_shapes):
        raise errors.WrongShape(
            f"{weight.name} is {weight.shape}, {key.role} should be {key.shape}", spot=key.layer
        )
