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

from keras2torch.precision import FORMATS, encoded, itemsize, rounded
from keras2torch.weights import Lookup, Weight

BLOCK_BYTES = 16 << 20


@dataclass(frozen=True)
class Written:
    """A file as it was written."""

    bytes: int
    sha256: str


def stored_dtype(weight: Weight, arrays: Lookup, asked: str | None) -> str:
    """What was `asked` for, else float32 unless the source was wider; what Keras does not have keeps its own type.

    So does, where it is rounded, what is computed of several numbers: no reference could hold it rounded as well.
    """
    if weight.fixed_dtype:
        return weight.fixed_dtype
    return asked if asked and not weight.computed else _own_dtype(weight, arrays)


def _own_dtype(weight: Weight, arrays: Lookup) -> str:
    kinds = {arrays[key].dtype for key in weight.sources}
    return "float64" if any(dtype.kind == "f" and dtype.itemsize > 4 for dtype in kinds) else "float32"


def write_safetensors(
    path: Path, state: Mapping[str, Weight], arrays: Lookup, asked: str | None = None
) -> Written:
    """Write `state` to `path`: wider types first, so that every tensor is aligned, else in the order given.

    `asked`: the type to round weights to. Raises `UsageError` where that does not reach as far as they do.
    """
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    offset = 0
    dtypes = {name: stored_dtype(weight, arrays, asked) for name, weight in state.items()}
    ordered = sorted(state.items(), key=lambda item: -itemsize(dtypes[item[0]]))
    for name, weight in ordered:
        size = prod(weight.shape) * itemsize(dtypes[name])
        header[name] = {
            "dtype": FORMATS[dtypes[name]][0],
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
            own = np.dtype(weight.fixed_dtype or _own_dtype(weight, arrays))
            for block in weight.blocks(_rounded_sources(weight, arrays, asked), own, BLOCK_BYTES):
                stored = encoded(block, dtypes[name], name)
                pending.result()
                pending = pool.submit(sink, stored.reshape(-1).view(np.uint8).data)
                written += stored.nbytes
            if written != prod(weight.shape) * itemsize(dtypes[name]):
                raise AssertionError(f"{name}: wrote {written} bytes for shape {weight.shape}")
        pending.result()
    return Written(8 + len(text) + offset, digest.hexdigest())


def _rounded_sources(weight: Weight, arrays: Lookup, asked: str | None) -> Lookup:
    # What is computed is so of the numbers that the reference has too; what only moves is rounded block by block.
    if not weight.computed:
        return arrays
    return {key: rounded(arrays[key], asked, str(key)) for key in weight.sources}
