"""The safetensors file, as the safetensors library reads it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import load_file

from keras2torch import tensors
from keras2torch.tensors import write_safetensors
from keras2torch.weights import Weight, WeightKey
from tests.crafted import numbers

HALF, SINGLE, DOUBLE, WHOLE = (
    WeightKey("layer", role, shape)
    for role, shape in (("half", (2,)), ("single", (5, 3)), ("double", (2, 2)), ("whole", (4,)))
)
ARRAYS: dict[WeightKey, NDArray[Any]] = {
    HALF: numbers(2).astype(np.float16),
    SINGLE: numbers(5, 3),
    DOUBLE: numbers(2, 2).astype(np.float64) / 3,
    WHOLE: np.arange(4, dtype=np.int32),
}
STATE = {
    "half": Weight.stored(HALF),
    "single": Weight.stored(SINGLE).transpose(1, 0),
    "double": Weight.stored(DOUBLE),
    "whole": Weight.stored(WHOLE),
    "counter": Weight.constant(np.zeros((), np.int64), "a counter"),
    "none": Weight.constant(np.zeros((0, 3), np.float32), "nothing"),
}


@pytest.mark.parametrize("block_bytes", [1, 16, 1 << 20])
def test_the_library_reads_equal_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block_bytes: int
) -> None:
    monkeypatch.setattr(tensors, "BLOCK_BYTES", block_bytes)
    path = tmp_path / "model.safetensors"
    written = write_safetensors(path, STATE, ARRAYS)
    found = load_file(path)
    expected = {
        "half": ARRAYS[HALF].astype(np.float32),
        "single": ARRAYS[SINGLE].T,
        "double": ARRAYS[DOUBLE],
        "whole": ARRAYS[WHOLE].astype(np.float32),
        "counter": np.zeros((), np.int64),
        "none": np.zeros((0, 3), np.float32),
    }
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype, name
        assert found[name].shape == array.shape, name
        assert np.array_equal(found[name], array), name
    assert written.bytes == path.stat().st_size
    assert written.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(path, "numpy") as file:
        assert file.metadata() == {"format": "pt"}


def test_every_tensor_is_aligned(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_safetensors(path, STATE, ARRAYS)
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    assert size % 8 == 0
    header = json.loads(data[8 : 8 + size])
    widths = {"F64": 8, "I64": 8, "F32": 4}
    entries = [entry for name, entry in header.items() if name != "__metadata__"]
    assert all(entry["data_offsets"][0] % widths[entry["dtype"]] == 0 for entry in entries)


def test_a_file_without_tensors(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", {}, {})
    assert load_file(tmp_path / "model.safetensors") == {}


def test_a_recipe_that_yields_another_size_is_an_error(tmp_path: Path) -> None:
    wrong = Weight((SINGLE,), (4, 3), lambda arrays: [arrays[SINGLE]])
    with pytest.raises(AssertionError, match="wrote 60 bytes"):
        write_safetensors(tmp_path / "model.safetensors", {"wrong": wrong}, ARRAYS)
