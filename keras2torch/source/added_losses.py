"""Takes out of a model of tf.keras what only losses and metrics read: `add_loss` puts their operations into the graph.

A variational autoencoder has its crossentropy there, which no output needs and which need not be understood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

_ENDS = frozenset({"AddLoss", "AddMetric"})
_OPERATIONS = frozenset({"SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"})
"""Layers without weights, so that nothing in the file belongs to one that has gone."""


def without_added_losses(config: Mapping[str, Any]) -> tuple[Mapping[str, Any], frozenset[str]]:
    """The configuration without them, and the names of the layers that have gone.

    What is no graph of named layers stays as it is, for whoever builds the graph to refuse.
    """
    model = config.get("config")
    layers = model.get("layers") if isinstance(model, Mapping) else None
    if not isinstance(model, Mapping) or not isinstance(layers, list) or not all(map(_is_named, layers)):
        return config, frozenset()
    classes = {layer["name"]: layer.get("class_name") for layer in layers}
    sources = {layer["name"]: set(_texts(layer.get("inbound_nodes"))) & classes.keys() for layer in layers}
    kept = {*_texts(model.get("output_layers")), *_texts(model.get("input_layers"))}
    readers = Counter(source for each in sources.values() for source in each)
    unread = [name for name, kind in classes.items() if kind in _ENDS and not readers[name]]
    gone: set[str] = set()
    while unread:
        name = unread.pop()
        if name in kept:
            continue
        gone.add(name)
        readers.subtract(sources[name])
        unread += [
            source for source in sources[name] if classes[source] in _OPERATIONS and not readers[source]
        ]
    left = [layer for layer in layers if layer["name"] not in gone]
    return {**config, "config": {**model, "layers": left}}, frozenset(gone)


def _is_named(layer: Any) -> bool:
    return (
        isinstance(layer, Mapping)
        and isinstance(layer.get("name"), str)
        and isinstance(layer.get("class_name"), str)
    )


def _texts(value: Any) -> Iterator[str]:
    """Every text in a structure, names of layers among them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(item)
