"""Graph, Node, Layer: frozen values between reading and writing.

Nothing in here knows HDF5, numpy arrays or torch. Nested models are laid flat: their layers carry a path
("encoder/conv1") and their calls stand among the others, so that every later step sees one list in execution order.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from keras2torch.source.model import Generation

Shape = tuple[int | None, ...]
"""A Keras shape with the batch axis first; None where the model leaves an extent open."""


@dataclass(frozen=True)
class TensorRef:
    """The `output`-th output of node number `node`."""

    node: int
    output: int = 0


@dataclass(frozen=True)
class Layer:
    """One Keras layer object, however often it is called."""

    path: str
    class_name: str
    config: Mapping[str, Any]
    group: str
    """Top-level layer whose group in the file holds the weights."""
    trainable: bool = True

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]


@dataclass(frozen=True)
class Node:
    """One call of a layer on tensors."""

    layer: str
    """Path of the layer."""
    call: int
    """Which call of that layer this is, from 0, in the order of the configuration."""
    inputs: tuple[TensorRef, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    """Call arguments beside the inputs; tensors in there are `TensorRef`."""

    def references(self) -> Iterator[TensorRef]:
        yield from self.inputs
        for value in self.kwargs.values():
            yield from references_in(value)


@dataclass(frozen=True)
class Container:
    """A nested model as a place in the tree: what the order of stored weights depends on."""

    name: str
    trainable: bool
    children: tuple[Container | str, ...]
    """Sub-containers, and paths of plain layers, in the order of the configuration."""


@dataclass(frozen=True)
class Graph:
    """A whole model: layers by path, and their calls in an order in which every input comes first."""

    name: str
    generation: Generation
    layers: Mapping[str, Layer]
    nodes: tuple[Node, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    tree: Container

    @property
    def batch_size(self) -> int | None:
        """The extent of the batch axis where an input fixes it, as models must whose layers keep states."""
        for reference in self.inputs:
            config = self.layers[self.nodes[reference.node].layer].config
            shape = config.get("batch_shape", config.get("batch_input_shape"))
            if isinstance(shape, list | tuple) and shape and type(shape[0]) is int and shape[0] > 0:
                return shape[0]
        return None

    def consumers(self) -> dict[int, list[int]]:
        """Node number -> numbers of the nodes that read any of its outputs."""
        readers: dict[int, list[int]] = {number: [] for number in range(len(self.nodes))}
        for number, node in enumerate(self.nodes):
            for reference in node.references():
                readers[reference.node].append(number)
        return readers


def references_in(value: Any) -> Iterator[TensorRef]:
    """Every `TensorRef` in a nested structure of lists and dicts, left to right."""
    if isinstance(value, TensorRef):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from references_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from references_in(item)
