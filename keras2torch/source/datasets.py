"""A dataset becomes an array: plain numbers only, a view of the mapped file wherever the data lie in one piece."""

from __future__ import annotations

import struct
import zlib
from math import prod
from typing import Any

import numpy as np
from pyfive.p5t import P5FloatType, P5IntegerType, P5OpaqueType

from keras2torch.errors import DamagedHDF5, ForbiddenLink, ForbiddenStorage, LimitExceeded, Truncated
from keras2torch.source import arriving
from keras2torch.source.hdf5 import UNDEFINED, Node, damage_at
from keras2torch.source.limits import Limits
from keras2torch.source.model import Array

_COMPACT, _CONTIGUOUS, _CHUNKED = 0, 1, 2
_GZIP, _SHUFFLE = 1, 2
# An IEEE number of that many bytes: bit offset, precision, place and size of exponent and mantissa, bias.
# Another layout (bfloat16, for one) may come with the same class and size.
_IEEE = {2: (0, 16, 10, 5, 0, 10, 15), 4: (0, 32, 23, 8, 0, 23, 127), 8: (0, 64, 52, 11, 0, 52, 1023)}
_IMPLIED_MANTISSA_BIT = 0x20
_BFLOAT16 = 2  # bytes


class Datasets:
    """Reads the datasets of one file, and adds up what they ask for."""

    def __init__(self, mapped: Array, limits: Limits):
        self._mapped = mapped
        self._limits = limits
        self._count = 0
        self._mapped_bytes = 0
        self._decoded_bytes = 0

    def array(self, node: Node) -> Array:
        """The numbers of `node`. Raises a `RefusedFile` for anything but a sound dataset of numbers."""
        with damage_at(node.spot):
            self._count += 1
            if self._count > self._limits.datasets:
                raise LimitExceeded(f"more than {self._limits.datasets} datasets")
            if node.in_other_files:
                raise ForbiddenLink("the data lie in another file")
            dtype, shape = _dtype(node), node.shape
            if shape is None:
                raise DamagedHDF5("an empty dataspace where a weight should be")
            if len(shape) > self._limits.tensor_rank:
                raise LimitExceeded(f"rank {len(shape)}, more than {self._limits.tensor_rank}")
            nbytes = prod(shape) * dtype.itemsize
            if nbytes == 0:
                return np.zeros(shape, dtype)
            version, layout, properties = node.layout()
            if layout == _CONTIGUOUS:
                return self._contiguous(version, properties, nbytes).view(dtype).reshape(shape)
            if layout == _COMPACT:
                return _compact(properties, nbytes).view(dtype).reshape(shape)
            if layout == _CHUNKED and version <= 3:
                return self._chunked(node, shape, dtype)
            raise ForbiddenStorage("stored virtually, or in chunks as only HDF5 1.10 and newer write them")

    def _contiguous(self, version: int, properties: bytes, nbytes: int) -> Array:
        start, size = struct.unpack_from("<QQ", properties)
        if start == UNDEFINED:
            raise ForbiddenStorage("nothing was ever stored for this weight")
        if version >= 3 and size != nbytes:
            raise DamagedHDF5(f"{size} bytes stored for {nbytes}")
        if start + nbytes > len(self._mapped):
            raise Truncated(f"truncated: needs bytes {start}..{start + nbytes} of {len(self._mapped)}")
        self._mapped_bytes += nbytes
        if self._mapped_bytes > len(self._mapped):
            raise LimitExceeded("the datasets overlap: more bytes in all than the file has")
        return self._mapped[start : start + nbytes]

    def _chunked(self, node: Node, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """A dataset in chunks: not what Keras writes, but what repacking tools leave behind."""
        filters = [int(step["filter_id"]) for step in node.filter_pipeline or ()]
        if set(filters) - {_GZIP, _SHUFFLE} or len(set(filters)) != len(filters):
            raise ForbiddenStorage(f"filters {filters}; only gzip and shuffle are known")
        chunk: tuple[int, ...] = node.chunks
        index = {offset: (address, size, mask) for offset, address, size, mask in node.chunk_index()}
        grid = [range(0, extent, step) for extent, step in zip(shape, chunk, strict=True)]
        if len(index) != prod(len(places) for places in grid) or any(
            place not in places for offset in index for place, places in zip(offset, grid, strict=True)
        ):
            raise ForbiddenStorage(f"{len(index)} chunks stored, which do not cover the weight")
        chunk_bytes = prod(chunk) * dtype.itemsize
        stored = sum(size for _, size, _ in index.values())
        if len(index) * chunk_bytes > self._limits.expansion * stored:
            raise LimitExceeded(f"{stored} stored bytes expand to {len(index) * chunk_bytes}")
        self._decoded_bytes += len(index) * chunk_bytes
        if self._decoded_bytes > self._limits.compressed_bytes:
            raise LimitExceeded(f"more than {self._limits.compressed_bytes} bytes in chunks")
        result = np.empty(shape, dtype)
        for offset, (address, size, mask) in index.items():
            raw = self._mapped[address : address + size]
            if len(raw) != size:
                raise Truncated(f"truncated: needs bytes {address}..{address + size} of {len(self._mapped)}")
            arriving.need(address, address + size)
            data = _decoded(raw, filters, mask, chunk_bytes, dtype.itemsize).view(dtype).reshape(chunk)
            place = tuple(slice(start, start + step) for start, step in zip(offset, chunk, strict=True))
            target = result[place]
            target[...] = data[tuple(slice(extent) for extent in target.shape)]
        return result


def _dtype(node: Node) -> np.dtype[Any]:
    try:
        kind = node.ptype
    except NotImplementedError as error:
        raise ForbiddenStorage(f"not plain numbers ({error})") from error
    if not isinstance(kind, P5FloatType | P5IntegerType):
        what = type(kind).__name__[2:-4].lower()
        bfloat16 = ": of two bytes each, as Keras stores bfloat16, but the file does not say so"
        hint = bfloat16 if isinstance(kind, P5OpaqueType) and kind.size == _BFLOAT16 else ""
        raise ForbiddenStorage(f"not plain numbers ({what}){hint}")
    dtype: np.dtype[Any] = kind.dtype
    message = node.datatype()
    if dtype.kind == "f":
        usual = message[1] & ~1 == _IMPLIED_MANTISSA_BIT and message[2] == dtype.itemsize * 8 - 1
        plain = usual and struct.unpack_from("<HHBBBBI", message, 8) == _IEEE[dtype.itemsize]
    else:
        plain = struct.unpack_from("<HH", message, 8) == (0, dtype.itemsize * 8)
    if not plain:
        raise ForbiddenStorage(f"numbers of {dtype.itemsize} bytes whose bits are not laid out as usual")
    return dtype


def _compact(properties: bytes, nbytes: int) -> Array:
    (size,) = struct.unpack_from("<H", properties)
    data = np.frombuffer(properties, np.uint8, nbytes, offset=2)
    if size != nbytes:
        raise DamagedHDF5(f"{size} bytes stored for {nbytes}")
    return data


def _decoded(raw: Array, filters: list[int], mask: int, chunk_bytes: int, itemsize: int) -> Array:
    """One chunk with its filters undone, last first; bit i of `mask` says that filter i was left out."""
    for number, step in reversed(list(enumerate(filters))):
        if mask & (1 << number):
            continue
        if step == _GZIP:
            # Bounded: a small stream may unpack to anything.
            stream = zlib.decompressobj()
            raw = np.frombuffer(stream.decompress(raw.data, chunk_bytes + 1), np.uint8)
            if not stream.eof:
                raise LimitExceeded(f"a chunk of {chunk_bytes} bytes unpacks to more, or never ends")
        elif len(raw) % itemsize == 0:
            raw = np.ascontiguousarray(raw.reshape(itemsize, -1).T).reshape(-1)
    if len(raw) != chunk_bytes:
        raise DamagedHDF5(f"a chunk of {len(raw)} bytes where {chunk_bytes} are due")
    return raw
