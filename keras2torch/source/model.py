"""What a reader returns: a configuration in one spelling, and weights that stay in the file until written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keras2torch.source.compiled import Compiled

Array = NDArray[Any]


class Generation(StrEnum):
    """Which Keras wrote the file: semantics (hard_sigmoid, masks of merges, ...) depend on it."""

    KERAS1 = "keras1"
    """Standalone Keras 1.x."""
    KERAS2 = "keras2"
    """Standalone Keras 2.0-2.4."""
    TF_KERAS = "tf_keras"
    """tf.keras 2.x and the tf_keras package (one code line)."""
    KERAS3 = "keras3"
    """Keras 3."""


@dataclass(frozen=True)
class StoredWeight:
    """One array in the file. `array` is a view of the memory-mapped file: nothing is read until it is used."""

    name: str
    array: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype


@dataclass(frozen=True)
class Weights:
    """The weights in a file: `by_layer` as in `SourceModel`, and by which layers."""

    by_layer: Mapping[str, tuple[StoredWeight, ...]]
    each_layer: bool


@dataclass(frozen=True)
class SourceModel:
    """A Keras model as it stands in its file, before anything is decided about PyTorch.

    `config` is the model's own configuration, still in the spelling of its Keras generation but parsed and bounded;
    `weights` maps each top-level layer (but see `each_layer`) to its arrays in stored order (trainable, then
    non-trainable).
    """

    path: Path
    content: Array
    """The bytes of the file, mapped once: whoever hashes them hashes what was read, whatever happens to the path."""
    format: str
    generation: Generation
    keras_version: str | None
    backend: str | None
    config: Mapping[str, Any]
    weights: Mapping[str, tuple[StoredWeight, ...]]
    each_layer: bool = False
    """Whether `weights` is by the path of each single layer: in files that give layers of nested models groups of
    their own, their order in the file is no matter."""
    compiled: Compiled = None
    """How the model was compiled for training."""
    architecture: bytes | None = None
    """For a weights-only file, the JSON that `config` comes from."""
    unused: Mapping[str, str] = field(default_factory=dict)
    """Options that were given for files that do not say, where this one does: by name, with what to tell the caller."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.content)
