"""Arrays between the steps: .npz files written one array at a time, so that no step holds more than one
tensor.
"""

import zipfile
from collections.abc import Mapping, Sequence
from math import gcd
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class ArrayWriter:
    """An .npz file that grows. Reading it back is `numpy.load`, which reads an array only when asked for
    it.
    """

    def __init__(self, path: Path) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._zip.close()

    def write(self, key: str, array: Array) -> None:
        with self._zip.open(f"{key}.npy", "w", force_zip64=True) as file:
            np.lib.format.write_array(file, np.asanyarray(array), allow_pickle=False)


def write_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write all of `arrays` to the .npz file `path`."""
    with ArrayWriter(path) as writer:
        for key, array in arrays.items():
            writer.write(key, array)


SAMPLE = 1 << 18
"""Elements of a layer's output that are kept; of a larger one, these many that lie spread all over it."""


def write_sample(writer: ArrayWriter, key: str, array: Array) -> int:
    """Write at most `SAMPLE` elements of `array`, and its shape beside them; returns the bytes written."""
    flat = array.reshape(-1)
    if flat.size > SAMPLE:
        # Steps of the golden ratio reach every region alike, and of any border or channel a fair share.
        step = int(flat.size * 0.6180339887498949) | 1
        while gcd(step, flat.size) != 1:
            step += 2
        flat = flat[np.arange(SAMPLE, dtype=np.int64) * step % flat.size]
    writer.write(key, flat)
    writer.write(shape_key(key), np.array(array.shape, np.int64))
    return int(flat.nbytes)


def output_key(number: int) -> str:
    """Where both sides put the model's output `number`."""
    return f"output-{number}"


def trace_key(layer: str, call: int) -> str:
    """Where both sides put the first output of the `call`-th call of the layer with path `layer`."""
    return f"layer-{layer}:{call}"


def logits_key(layer: str, call: int) -> str:
    """Where both sides put what a layer computes before its activation."""
    return f"logits-{layer}:{call}"


def shape_key(key: str) -> str:
    """Where the shape of a sampled tensor stands."""
    return f"{key}@shape"


def must_show_logits(layer: Mapping[str, Any]) -> bool:
    """Whether a layer of the manifest has a module that yields what its activation gets, whatever that is.

    Other layers show it where a softmax or sigmoid stands outermost in their statement.
    """
    return layer["keras_class"] == "Dense" and layer["torch_name"] is not None


RATE = "rate"
"""Under which the reference leaves the learning rate of its step."""


def direction(number: int, shape: Sequence[int]) -> Array:
    """What both sides multiply output `number` by, of N(0, 1), before they sum up and differentiate."""
    return np.random.default_rng([number, len(shape)]).standard_normal(tuple(shape))
