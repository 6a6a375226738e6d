"""Arrays between the steps: .npz files written one array at a time, so that no step holds more than one
tensor.
"""

import zipfile
from collections.abc import Mapping
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


def output_key(number: int) -> str:
    """Where both sides put the model's output `number`."""
    return f"output-{number}"


def trace_key(layer: str, call: int, output: int) -> str:
    """Where both sides put output `output` of the `call`-th call of the layer with path `layer`."""
    return f"layer-{layer}:{call}:{output}"
