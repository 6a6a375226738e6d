"""Whole-model `.h5` files as Keras writes them: attributes with the configuration, groups with the weights.

With `hdf5` and `datasets` the only code that touches untrusted bytes. It admits what Keras itself writes (hard links,
groups, plain numbers) and hands weights out as views of one memory map. The attributes read here are those that
`keras.saving.legacy` and `tf_keras.src.saving.legacy.hdf5_format` write.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch import errors
from keras2torch.source.compiled import compiled_config
from keras2torch.source.datasets import Datasets
from keras2torch.source.generation import generation_of
from keras2torch.source.hdf5 import COMPILED, HDF5, Node
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import Limits
from keras2torch.source.model import Array, Generation, SourceModel, StoredWeight, Weights
from keras2torch.source.saved_state import LAYER_GROUPS, SavedState


class H5File:
    """Where Keras keeps what, each step checked before it is believed."""

    def __init__(self, data: memoryview, limits: Limits):
        self._file = HDF5(data, limits)
        self._limits = limits
        self._datasets = Datasets(np.frombuffer(data, dtype=np.uint8), limits)
        self._root = self._file.root.attributes

    @property
    def is_whole(self) -> bool:
        """Whether the file holds an architecture."""
        return "model_config" in self._root

    @property
    def is_of_keras1(self) -> bool:
        """Whether these are weights as Keras 1 saved them: without a version."""
        return "keras_version" not in self._root and not LAYER_GROUPS & self._file.root.links.keys()

    @property
    def backend(self) -> str | None:
        """What a weights-only file says of the library that its weights are for."""
        return self._text(self._root["backend"], "backend", "/") if "backend" in self._root else None

    def model(self, path: Path, content: Array) -> SourceModel:
        """The whole model in the file, whose bytes are `content`."""
        root = self._root
        group = self._file.child(self._file.root, "model_weights")
        if group is None:
            raise errors.NotAKerasModel("has model_config but no model_weights: an interrupted save")
        if not group.is_a_group:
            raise errors.DamagedHDF5("not a group", spot=group.spot)
        raw = root["model_config"]
        if not isinstance(raw, bytes | str):
            raise errors.BadConfig(f"model_config is a {type(raw).__name__}, not a string", spot="/")
        config = parse_object(raw, self._limits)
        version = group.attributes.get("keras_version", root.get("keras_version"))
        keras_version = None if version is None else self._text(version, "keras_version", "/")
        backend = group.attributes.get("backend", root.get("backend"))
        return SourceModel(
            path=path,
            content=content,
            format="keras-h5",
            generation=generation_of(keras_version, config),
            keras_version=keras_version,
            backend=None if backend is None else self._text(backend, "backend", "/"),
            config=config,
            weights=self._weights(group),
            compiled=compiled_config(root[COMPILED], self._limits) if COMPILED in root else None,
        )

    def weights_only(self, config: Mapping[str, Any], generation: Generation) -> Weights:
        """The weights of a file without an architecture, which is `config`. Raises `NotAKerasModel`, and others."""
        root = self._file.root
        if self._root.keys() & {"layer_names", "layer_names0"}:
            return Weights(self._top_level_weights, each_layer=False)
        if LAYER_GROUPS & root.links.keys():
            return Weights(self.saved_state(config, generation), each_layer=True)
        raise errors.NotAKerasModel("neither a model nor weights that Keras wrote")

    def why_not_whole(self) -> errors.RefusedFile:
        """What to say of a file that holds no architecture."""
        names = self._file.root.links.keys()
        if self._root.keys() & {"layer_names", "layer_names0", "nb_layers"}:
            return errors.WeightsOnly(
                "weights-only file: it has no model_config, so the architecture is missing; "
                "give it with --architecture"
            )
        if names & LAYER_GROUPS:
            return errors.WeightsOnly(
                "a Keras 3 .weights.h5 file: it has no architecture; give it with --architecture"
            )
        return errors.NotAKerasModel("no model_config attribute: not a whole Keras model")

    @cached_property
    def _top_level_weights(self) -> dict[str, tuple[StoredWeight, ...]]:
        # Once: what is looked at twice counts as overlapping.
        return self._weights(self._file.root)

    def weighted_layers(self) -> tuple[int, int | None]:
        """How many layers hold weights in a weights-only file, and how many outputs the last of them has."""
        if self._root.keys() & {"layer_names", "layer_names0"}:
            stored = [own for own in self._top_level_weights.values() if own]
            return len(stored), stored[-1][0].shape[-1] if stored and stored[-1][0].shape else None
        return self._saved_state(Generation.KERAS3).weighted_layers(), None

    def saved_state(
        self, config: Mapping[str, Any], generation: Generation
    ) -> dict[str, tuple[StoredWeight, ...]]:
        """The weights of each layer of `config`, by path, in a file that is laid out by the classes of layers."""
        return self._saved_state(generation).weights(config)

    def _saved_state(self, generation: Generation) -> SavedState:
        return SavedState(self._file, self._datasets, generation, self._limits)

    def _weights(self, group: Node) -> dict[str, tuple[StoredWeight, ...]]:
        result: dict[str, tuple[StoredWeight, ...]] = {}
        layers = self._names(group, "layer_names")
        if len(layers) > self._limits.layers:
            raise errors.LimitExceeded(f"more than {self._limits.layers} layers", spot=group.spot)
        for layer in layers:
            if layer in result:
                raise errors.DamagedHDF5(f"layer_names holds {layer!r} twice", spot=group.spot)
            owner = self._file.descend(group, layer)
            if owner is None or not owner.is_a_group:
                raise errors.MissingWeight(
                    f"layer_names holds {layer!r}, which is not a group here", spot=group.spot
                )
            names = self._names(owner, "weight_names")
            if len(set(names)) != len(names):
                raise errors.DamagedHDF5("weight_names holds a name twice", spot=owner.spot)
            result[layer] = tuple(StoredWeight(name, self._weight(owner, name)) for name in names)
        return result

    def _weight(self, owner: Node, name: str) -> Array:
        node = self._file.descend(owner, name)
        if node is None:
            raise errors.MissingWeight(f"weight_names holds {name!r}, which is not there", spot=owner.spot)
        if not node.is_a_dataset:
            raise errors.DamagedHDF5("a group where a weight should be", spot=node.spot)
        return self._datasets.array(node)

    def _names(self, node: Node, attribute: str) -> list[str]:
        """A list attribute, also where Keras split it into numbered chunks to stay under HDF5's 64 KiB bound."""
        attributes = node.attributes
        chunks = [name for name in attributes if name.startswith(attribute) and name != attribute]
        if attribute in attributes:
            if chunks:
                raise errors.DamagedHDF5(f"{attribute} stands both whole and in chunks", spot=node.spot)
            values = [attributes[attribute]]
        elif chunks:
            if set(chunks) != {f"{attribute}{i}" for i in range(len(chunks))}:
                raise errors.DamagedHDF5(f"chunks of {attribute} are missing", spot=node.spot)
            values = [attributes[f"{attribute}{i}"] for i in range(len(chunks))]
        else:
            raise errors.DamagedHDF5(f"attribute {attribute} is missing", spot=node.spot)
        names: list[str] = []
        for value in values:
            items = np.asarray(value)
            if items.size == 0:
                continue  # the empty list is stored as a float array of length 0
            if items.ndim != 1 or items.dtype.kind not in "SO":
                raise errors.DamagedHDF5(f"{attribute} is not a list of names", spot=node.spot)
            names += [self._text(item, attribute, node.spot) for item in items.tolist()]
        if "" in names:
            raise errors.DamagedHDF5(f"{attribute} holds an empty name", spot=node.spot)
        return names

    def _text(self, value: Any, what: str, spot: str) -> str:
        if not isinstance(value, bytes):
            raise errors.DamagedHDF5(f"{what} holds a {type(value).__name__}, not text", spot=spot)
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise errors.DamagedHDF5(f"{what} is not UTF-8", spot=spot) from error
        if len(text) > self._limits.name_length or "\0" in text:
            raise errors.LimitExceeded(f"{what} is too long or holds a NUL character", spot=spot)
        return text
