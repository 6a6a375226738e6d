"""Precisions in which layers compute: weights are converted as float32 whatever that was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras2torch.errors import UnsupportedOption

_MIXED = frozenset({"float16", "bfloat16", "mixed_float16", "mixed_bfloat16"})
_WHOLE = frozenset(
    {
        "float32", "float64", "infer", "_infer", "bool", "string", "int8", "int16", "int32", "int64", "uint8",
        "uint16", "uint32",
    }
)  # fmt: skip


def mixed_precision(config: Mapping[str, Any]) -> str | None:
    """The half precision in which a layer of this configuration computed, or None.

    Raises `UnsupportedOption` for every policy that is not known, such as those of quantised weights, which are no
    weights to compute with.
    """
    dtype = config.get("dtype", config.get("input_dtype"))
    if isinstance(dtype, Mapping):
        inner = dtype.get("config")
        dtype = inner.get("name") if isinstance(inner, Mapping) else None
    if dtype is None or (isinstance(dtype, str) and dtype in _WHOLE):
        return None
    if isinstance(dtype, str) and dtype in _MIXED:
        return dtype
    raise UnsupportedOption(f"dtype policy {dtype!r} is not supported", "dtype")
