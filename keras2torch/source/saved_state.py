"""Weights as Keras stores them since 2.12 in `.keras` and `.weights.h5`: in groups named after classes, not layers.

A container keeps its layers in `layers/<class in snake case>`, the second of a class in `..._1` and so on, in the order
of the configuration; a layer keeps its own variables in `vars/0`, `vars/1`, ..., trainable ones first, and what stands
in it in groups named after attributes. The naming is that of `_save_container_state` in
`keras.src.saving.saving_lib` and `tf_keras.src.saving.saving_lib`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from keras2torch import errors
from keras2torch.source.datasets import Datasets
from keras2torch.source.hdf5 import HDF5, Node
from keras2torch.source.limits import Limits
from keras2torch.source.model import Generation, StoredWeight

LAYER_GROUPS = frozenset({"layers", "_layer_checkpoint_dependencies"})
"""What the group with a container's layers is called; the latter by TensorFlow 2.12."""

_IN_ORDER = (
    "forward_layer",
    "backward_layer",
    "layer",
    "cell",
    "cells",
    "query_dense",
    "key_dense",
    "gate_dense",
    "value_dense",
    "output_dense",
    "activation",
)
"""Attributes that hold layers, as layers create them: the order of their weights."""
_PYTHON_NAMES = {"GroupQueryAttention": "GroupedQueryAttention"}
"""Groups are called after Python's name of a class, which for one is not the name that it has in configurations."""
_NO_WEIGHTS = frozenset({"seed_generator", "random_generator", "generator"})
"""Attributes that hold the state of random numbers."""

Marked = list[tuple[StoredWeight, bool]]
"""Weights as they stand, each with whether it is trained: a frozen layer keeps the order of what stands in it."""


class SavedState:
    """Reads such a file along a configuration."""

    def __init__(self, file: HDF5, datasets: Datasets, generation: Generation, limits: Limits):
        self._file = file
        self._datasets = datasets
        self._generation = generation
        self._deepest = limits.nesting

    def weights(self, model: Mapping[str, Any]) -> dict[str, tuple[StoredWeight, ...]]:
        """Layer path -> its weights, trainable ones first. `model` has class_name and config."""
        found: dict[str, tuple[StoredWeight, ...]] = {}
        self._container(self._file.root, model, "", found, 0)
        return found

    def weighted_layers(self) -> int:
        """How many layers hold weights, in a model without models in it."""
        groups = [self._group(self._file.root, name) for name in sorted(LAYER_GROUPS)]
        return sum(
            self._holds_weights(self._group(group, name), 0)
            for group in groups
            if group is not None
            for name in group.links
        )

    def _container(
        self,
        node: Node | None,
        model: Mapping[str, Any],
        prefix: str,
        found: dict[str, tuple[StoredWeight, ...]],
        depth: int,
    ) -> None:
        if depth > self._deepest:
            raise errors.LimitExceeded(f"models nested deeper than {self._deepest}", spot=prefix)
        for entry, own in self._layers(node, model):
            path = prefix + _name(entry)
            if _is_model(entry):
                self._container(own, entry, f"{path}/", found, depth + 1)
            elif own is not None:
                marked = self._marked(own, entry, depth)
                found[path] = tuple(weight for weight, _ in sorted(marked, key=lambda each: not each[1]))

    def _layers(
        self, node: Node | None, model: Mapping[str, Any]
    ) -> Iterator[tuple[Mapping[str, Any], Node | None]]:
        """The layers of a container, each with its group, where it has one."""
        group = None
        if node is not None:
            group = next((g for name in sorted(LAYER_GROUPS) if (g := self._group(node, name))), None)
        classes: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for entry in _entries(model, self._generation):
            classes[_snake_case(str(entry.get("class_name")))].append(entry)
        unclaimed = {} if group is None else {name: name for name in group.links}
        for kind, entries in classes.items():
            names = self._names(kind, len(entries), unclaimed)
            for entry, name in zip(entries, names, strict=True):
                yield entry, None if group is None or name is None else self._group(group, name)
        if unclaimed and group is not None:
            raise errors.UnexpectedWeight(f"{min(unclaimed)!r} is of no layer of the model", spot=group.spot)

    def _names(self, kind: str, count: int, unclaimed: dict[str, str]) -> Sequence[str | None]:
        """The groups of the layers of one class, in order; takes them out of `unclaimed`."""
        due = [kind if number == 0 else f"{kind}_{number}" for number in range(count)]
        present = [name for name in unclaimed if re.fullmatch(rf"{re.escape(kind)}(_[0-9]+)?", name)]
        if not set(present) <= set(due):
            if len(present) != count:
                return [None] * count
            # TensorFlow 2.12 counted layers with weights twice.
            due = sorted(present, key=lambda name: int(name[len(kind) + 1 :] or 0))
        return [unclaimed.pop(name, None) for name in due]

    def _marked(self, node: Node, entry: Mapping[str, Any], depth: int) -> Marked:
        """The weights of one layer, those of what stands in it included."""
        if depth > self._deepest:
            raise errors.LimitExceeded(f"layers nested deeper than {self._deepest}", spot=node.spot)
        config = entry.get("config")
        if _is_model(entry):
            weights = [
                weight
                for inner, own in self._layers(node, entry)
                if own is not None
                for weight in self._marked(own, inner, depth + 1)
            ]
        else:
            class_name = str(entry.get("class_name"))
            own_weights = self._own(node, class_name)
            inside = self._inner(node, config if isinstance(config, Mapping) else {}, depth)
            if class_name == "SpectralNormalization":
                own_weights, inside = _with_one_kernel(own_weights, inside)
            weights = own_weights + inside
        if isinstance(config, Mapping) and config.get("trainable") is False:
            return [(weight, False) for weight, _ in weights]
        return weights

    def _own(self, node: Node, class_name: str) -> Marked:
        group = self._group(node, "vars")
        if group is None:
            return []
        names = list(group.links)
        if set(names) != {str(number) for number in range(len(names))}:
            raise errors.DamagedHDF5(
                f"variables {sorted(names)[:3]}, which are not counted from 0", spot=group.spot
            )
        weights = []
        for number in range(len(names)):
            node = self._dataset(group, str(number))
            weights.append(StoredWeight(node.spot.lstrip("/"), self._datasets.array(node)))
        untrained = {"BatchNormalization": 2, "SpectralNormalization": 1}.get(class_name, 0)
        return [(weight, number < len(weights) - untrained) for number, weight in enumerate(weights)]

    def _inner(self, node: Node, config: Mapping[str, Any], depth: int) -> Marked:
        """The weights of what stands in a layer: the layer that it wraps, its cells, its projections."""
        groups = {name.lstrip("_"): name for name in node.links if name != "vars"}
        both = "forward_layer" in groups
        result: Marked = []
        for attribute in _IN_ORDER:
            name = groups.pop(attribute, None)
            own = None if name is None else self._group(node, name)
            if own is None or (both and attribute == "layer"):
                continue  # a Bidirectional runs two copies of its `layer`, and keeps it without weights
            if attribute == "cells":
                cells = config.get("cells")
                entries = (
                    [cell for cell in cells if isinstance(cell, Mapping)] if isinstance(cells, list) else []
                )
                stack = {"class_name": "Sequential", "config": entries}
                result += [
                    weight
                    for inner, cell in self._members(own, stack)
                    if cell is not None
                    for weight in self._marked(cell, inner, depth + 1)
                ]
            else:
                result += self._marked(own, _inner_entry(config, attribute), depth + 1)
        for name in groups.values():
            if name.lstrip("_") not in _NO_WEIGHTS and self._holds_weights(self._group(node, name), depth):
                raise errors.UnexpectedWeight(
                    f"weights in {name!r}, whose place is not known", spot=node.spot
                )
        return result

    def _members(
        self, group: Node, model: Mapping[str, Any]
    ) -> Iterator[tuple[Mapping[str, Any], Node | None]]:
        """The items of a list attribute, each with its group."""
        unclaimed = {name: name for name in group.links}
        counts: dict[str, int] = defaultdict(int)
        for entry in _entries(model, self._generation):
            kind = _snake_case(str(entry.get("class_name")))
            name = f"{kind}_{counts[kind]}" if counts[kind] else kind
            counts[kind] += 1
            yield entry, self._group(group, name) if name in unclaimed else None

    def _holds_weights(self, node: Node | None, depth: int) -> bool:
        if node is None:
            return False
        if depth > self._deepest:
            return True
        return any(
            bool(child.links) if name == "vars" else self._holds_weights(child, depth + 1)
            for name in node.links
            if name not in _NO_WEIGHTS and (child := self._group(node, name)) is not None
        )

    def _group(self, node: Node, name: str) -> Node | None:
        child = self._file.child(node, name)
        return child if child is not None and not child.is_a_dataset else None

    def _dataset(self, node: Node, name: str) -> Node:
        child = self._file.child(node, name)
        if child is None or not child.is_a_dataset:
            raise errors.DamagedHDF5("a group where a weight should be", spot=f"{node.spot}/{name}")
        return child


def _with_one_kernel(own: Marked, inside: Marked) -> tuple[Marked, Marked]:
    """A SpectralNormalization keeps the kernel of what it wraps beside its vector: it is there twice, and goes once."""
    if len(own) != 2 or not inside:
        return own, inside
    (kernel, _), vector = own
    return [(kernel, inside[0][1]), vector], inside[1:]


def _entries(model: Mapping[str, Any], generation: Generation) -> Iterator[Mapping[str, Any]]:
    """The layers of a container as `model.layers` lists them: without operations, a Sequential's without its input."""
    config = model.get("config")
    layers = config.get("layers") if isinstance(config, Mapping) else config
    sequential = model.get("class_name") == "Sequential"
    for entry in layers if isinstance(layers, list) else ():
        if not isinstance(entry, Mapping):
            raise errors.BadConfig("a layer that is no object", spot="layers")
        if sequential and entry.get("class_name") == "InputLayer":
            continue
        if generation is Generation.KERAS3 and _is_operation(entry):
            continue
        yield entry


def _is_operation(entry: Mapping[str, Any]) -> bool:
    """Whether a Keras 3 graph holds a function there, which is no layer; ten of them have the name of one."""
    module = entry.get("module")
    if isinstance(module, str):
        return ".ops" in module
    config = entry.get("config")
    return (
        isinstance(config, Mapping) and "layers" not in config and not {"trainable", "dtype"} & config.keys()
    )


def _is_model(entry: Mapping[str, Any]) -> bool:
    config = entry.get("config")
    return isinstance(config, list) or (
        isinstance(config, Mapping) and isinstance(config.get("layers"), list)
    )


def _name(entry: Mapping[str, Any]) -> str:
    config = entry.get("config")
    name = entry.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    if not isinstance(name, str) or not name:
        raise errors.BadConfig("a layer without a name", spot=str(entry.get("class_name")))
    return name


def _inner_entry(config: Mapping[str, Any], attribute: str) -> Mapping[str, Any]:
    """The configuration of what an attribute holds, as far as there is one."""
    key = "layer" if attribute == "forward_layer" else attribute
    entry = config.get(key)
    if attribute == "backward_layer" and not isinstance(entry, Mapping):
        entry = config.get("layer")
    if attribute == "cell" and not isinstance(entry, Mapping):
        entry = {"class_name": "cell", "config": {}}
    return entry if isinstance(entry, Mapping) else {}


def _snake_case(name: str) -> str:
    """`Conv2DTranspose` -> `conv2d_transpose`, as Keras spells its groups."""
    name = _PYTHON_NAMES.get(name, name)
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
