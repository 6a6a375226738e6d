"""Number types that weights are stored in, bfloat16 among them, which numpy does not have.

Rounding is to the nearest, ties to even, as torch rounds; float64 goes to bfloat16 by way of float32, as it does there.
"""

from __future__ import annotations

import numpy as np

from keras2torch.errors import UsageError
from keras2torch.options import DTYPES
from keras2torch.source.model import Array

FORMATS = {
    "float64": ("F64", "f8"),
    "float32": ("F32", "f4"),
    "float16": ("F16", "f2"),
    "bfloat16": ("BF16", "u2"),
    "int64": ("I64", "i8"),
    "int32": ("I32", "i4"),
    "uint8": ("U8", "u1"),
    "bool": ("BOOL", "?"),
}
"""Name of a type in torch -> its name in a safetensors file, and the numpy type that has its bytes."""


def itemsize(dtype: str) -> int:
    """Bytes of one number of a type by its name in torch."""
    return np.dtype(FORMATS[dtype][1]).itemsize


def encoded(block: Array, dtype: str, name: str) -> Array:
    """`block` as an array that has the bytes of `dtype`.

    Raises `UsageError`, with the `name` of what it is of, for a number that is finite and beyond its range.
    """
    stored = FORMATS[dtype][1]
    if block.dtype == stored or dtype not in DTYPES:
        return block
    with np.errstate(over="ignore"):
        narrow = _bfloat16(block.astype(np.float32)) if dtype == "bfloat16" else block.astype(stored)
    infinite = narrow & 0x7FFF == 0x7F80 if dtype == "bfloat16" else np.isinf(narrow)
    beyond = block[infinite & np.isfinite(block)]
    if beyond.size:
        raise UsageError(
            f"--dtype {dtype}: {name} holds {beyond.flat[0]:g}, which is beyond its range"
            + ("; bfloat16 has that of float32" if dtype == "float16" else "")
        )
    return narrow


def rounded(array: Array, dtype: str | None, name: str) -> Array:
    """The floats of `array` as `encoded` stores them, in a type that numpy has; whatever else is, as it is."""
    if dtype is None or array.dtype.kind != "f":
        return array
    narrow = encoded(array, dtype, name)
    return (narrow.astype(np.uint32) << 16).view(np.float32) if dtype == "bfloat16" else narrow


def _bfloat16(block: Array) -> Array:
    """The upper halves of float32 numbers, rounded."""
    bits = block.view(np.uint32)
    # A half, or less by one where the last bit kept is even: what lies in the middle goes to the even side.
    with np.errstate(over="ignore"):  # of NaNs, which are dealt with below
        upper = ((bits + (0x7FFF + (bits >> 16 & 1))) >> 16).astype(np.uint16)
    # The mantissa of a NaN may lie in the lower half alone, and must not be carried into the exponent or lost.
    return np.where(np.isnan(block), (bits >> 16 | 0x40).astype(np.uint16), upper)
