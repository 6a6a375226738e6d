"""What is in the zoo: every function in `samples.models` that carries `@sample`.

This module and the builders import neither Keras: the library that is to build a model is handed to its
builder, so that the parent process can list the zoo without loading TensorFlow.
"""

import enum
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import samples.models

# Keras publishes no annotations, and the two libraries share no type.
Keras = Any
Model = Any
Arrays = np.ndarray[Any, Any] | dict[str, np.ndarray[Any, Any]]
Batch = tuple[Arrays, Arrays]
DataMaker = Callable[[np.random.Generator, int], Batch]
Builder = Callable[[Keras], Model]


class Library(enum.StrEnum):
    """The package that builds and saves a sample; its value is the import name."""

    KERAS_3 = "keras"
    KERAS_2 = "tf_keras"


@dataclass(frozen=True)
class Training:
    """A few optimiser steps, so that BatchNorm statistics and biases are those of a trained model.

    `data` makes `count` examples from a seeded generator; `loss` is anything `Model.compile` takes.
    """

    data: DataMaker
    loss: Any
    steps: int = 20
    batch: int = 16


@dataclass(frozen=True)
class Sample:
    """One file of the zoo. Untrained ones get random biases and random BatchNorm moments instead."""

    name: str
    library: Library
    build: Builder
    training: Training | None

    @property
    def file_name(self) -> str:
        return f"{self.name}.h5"


_samples: dict[str, Sample] = {}


def sample(library: Library, training: Training | None = None) -> Callable[[Builder], Builder]:
    """Put a builder, which takes the library and returns a built model, in the zoo under its own name."""

    def register(build: Builder) -> Builder:
        if build.__name__ in _samples:
            raise ValueError(f"two samples are called {build.__name__}")
        _samples[build.__name__] = Sample(build.__name__, library, build, training)
        return build

    return register


def load() -> dict[str, Sample]:
    """Every sample by name. Files in `samples/models` are found, not listed."""
    for module in pkgutil.iter_modules(samples.models.__path__):
        importlib.import_module(f"samples.models.{module.name}")
    return dict(sorted(_samples.items()))
