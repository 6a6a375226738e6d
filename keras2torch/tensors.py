"""Writes a safetensors file in blocks, hashing as it goes, so that no tensor is ever held whole.

Format: 8 bytes little-endian header length, a JSON header, the tensors' bytes (https://github.com/huggingface/safetensors,
"Format"). The library's own writer wants all tensors in memory at once; see docs/decisions.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from keras2torch.weights import Lookup, Weight

_NAMES = {"float64": "F64", "float32": "F32", "int64": "I64", "int32": "I32", "uint8": "U8", "bool": "BOOL"}
BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Written:
    """A file as it was written."""

    bytes: int
    sha256: str


def stored_dtype(weight: Weight, arrays: Lookup) -> str:
    """float32 unless the source was wider; what Keras does not have keeps its own type."""
    if weight.fixed_dtype:
        return weight.fixed_dtype
    kinds = {arrays[key].dtype for key in weight.sources}
    return "float64" if any(dtype.kind == "f" and dtype.itemsize > 4 for dtype in kinds) else "float32"


def write_safetensors(path: Path, state: Mapping[str, Weight], arrays: Lookup) -> Written:
    """Write `state` to `path`: wider types first, so that every tensor is aligned, else in the order given."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    dtypes = {name: stored_dtype(weight, arrays) for name, weight in state.items()}
    ordered = sorted(state.items(), key=lambda item: -np.dtype(dtypes[item[0]]).itemsize)
    for name, weight in ordered:
        size = prod(weight.shape) * np.dtype(dtypes[name]).itemsize
        header[name] = {
            "dtype": _NAMES[dtypes[name]],
            "shape": list(weight.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    digest = hashlib.sha256()

    def sink(data: bytes | memoryview) -> None:
        file.write(data)
        digest.update(data)

    # Writing and hashing release the GIL: one block goes out while the next is gathered.
    with path.open("wb") as file, ThreadPoolExecutor(1) as pool:
        pending = pool.submit(sink, len(text).to_bytes(8, "little") + text)
        for name, weight in ordered:
            written = 0
            for block in weight.blocks(arrays, np.dtype(dtypes[name]), BLOCK_BYTES):
                pending.result()
                pending = pool.submit(sink, block.reshape(-1).view(np.uint8).data)
                written += block.nbytes
            if written != prod(weight.shape) * np.dtype(dtypes[name]).itemsize:
                raise AssertionError(f"{name}: wrote {written} bytes for shape {weight.shape}")
        pending.result()
    return Written(8 + len(text) + offset, digest.hexdigest())
