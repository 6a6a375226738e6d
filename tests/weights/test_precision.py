"""Rounding to the number types that weights are stored in, against torch's own."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from keras2torch.errors import UsageError
from keras2torch.precision import encoded, rounded
from keras2torch.tensors import write_safetensors
from keras2torch.weights import Weight, WeightKey, sum_of

TYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def _numbers(dtype: str) -> NDArray[np.float64]:
    """Numbers of every size, halves of the last place among them, and what is no number."""
    rng = np.random.default_rng(0)
    largest = {"float32": 38, "float16": 4, "bfloat16": 38}[dtype]
    spread = rng.standard_normal(4096) * 10.0 ** rng.integers(-50, largest, 4096)
    ties = np.arange(1, 4096) / 2048
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, -1e-40, 65504.0]
    return np.concatenate([spread, ties, 1 + ties / 128, special])


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("source", [np.float64, np.float32, ">f4"])
def test_numbers_are_rounded_as_torch_rounds_them(dtype: str, source: str) -> None:
    array = _numbers(dtype).astype(source)
    native = torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
    expected = native.to(TYPES[dtype])
    np.testing.assert_array_equal(rounded(array, dtype, "w"), expected.to(torch.float32).numpy())
    found = torch.from_numpy(encoded(array, dtype, "w").copy()).view(TYPES[dtype])
    assert found[~expected.isnan()].equal(expected[~expected.isnan()])
    assert found.isnan().equal(expected.isnan())


def test_a_nan_stays_one_wherever_its_bits_are() -> None:
    nans = np.array([0x7F800001, 0xFFFFFFFF, 0x7FC00000], np.uint32).view(np.float32)
    assert np.isnan(rounded(nans, "bfloat16", "w")).all()


@pytest.mark.parametrize(
    ("dtype", "number"), [("float16", 65520.0), ("bfloat16", 3.4e38), ("float32", 1e39), ("float16", -1e5)]
)
def test_a_number_beyond_the_range_is_refused(dtype: str, number: float) -> None:
    array = np.array([[1.0], [number]])
    with pytest.raises(UsageError, match=re.escape(f"--dtype {dtype}: conv/kernel holds {number:g}, ")):
        rounded(array, dtype, "conv/kernel")
    with pytest.raises(UsageError):
        encoded(np.array(number), dtype, "scalar")


def test_what_is_no_float_or_not_asked_for_is_left_alone() -> None:
    whole, single = np.arange(3), np.ones(3, np.float32)
    assert rounded(whole, "float16", "w") is whole
    assert rounded(single, None, "w") is single
    assert rounded(single, "float32", "w") is single


def test_what_is_computed_is_so_of_rounded_numbers_and_not_rounded_again(tmp_path: Path) -> None:
    first, second = (WeightKey("lstm", role, (2,)) for role in ("a", "b"))
    arrays = {first: np.array([1.001, 100.3], np.float32), second: np.array([0.0017, 0.01], np.float32)}
    state = {
        "moved": Weight.stored(first).flip(0),
        "sum": sum_of(Weight.stored(first), Weight.stored(second)).reshape(2, 1),
        "counter": Weight.constant(np.zeros((), np.int64), "a counter"),
        "ones": Weight.constant(np.ones(2, np.float32), "ones"),
    }
    path = tmp_path / "model.safetensors"
    write_safetensors(path, state, arrays, "bfloat16")
    from safetensors.torch import load_file

    found = load_file(path)
    a, b = (torch.from_numpy(arrays[key]).bfloat16() for key in (first, second))
    assert {name: str(tensor.dtype) for name, tensor in found.items()} == {
        "moved": "torch.bfloat16",
        "sum": "torch.float32",
        "counter": "torch.int64",
        "ones": "torch.float32",
    }
    assert found["moved"].equal(a.flip(0))
    assert found["sum"].equal((a.float() + b.float()).reshape(2, 1))
