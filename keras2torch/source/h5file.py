"""Whole-model `.h5` files: the only code that touches untrusted bytes.

pyfive parses the structure in pure Python; this module puts limits in front of it, admits only what Keras itself writes
(hard links, groups, plain numeric datasets), and hands weights out as views of one memory map. Layout of the file:
https://keras.io/api/models/model_saving_apis/ describes the API; the attributes read here are those that
`keras.saving.legacy` and `tf_keras.src.saving.legacy.hdf5_format` write.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyfive
from pyfive.dataobjects import DataObjects

from keras2torch import errors
from keras2torch.source.generation import generation_of
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Array, SourceModel, StoredWeight

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_UNDEFINED = 0xFFFFFFFFFFFFFFFF
_CONTIGUOUS, _CHUNKED, _COMPACT = 1, 2, 0
_GZIP, _SHUFFLE, _FLETCHER32, _LZF = 1, 2, 3, 32000
_EXTERNAL_FILES_MESSAGE = 0x0007


def read_h5(path: Path, limits: Limits = DEFAULT) -> SourceModel:
    """Read the model in `path`; weights stay memory-mapped.

    Raises a `RefusedFile` that names the file, and the place in it, for anything but a sound whole-model `.h5`.
    """
    with _naming(path):
        handle, size = _open_regular(path, limits)
        with handle:
            mapped = np.frombuffer(mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ), dtype=np.uint8)
            with _as_damage():
                reader = _Reader(pyfive.File(handle), mapped, limits)
                return reader.model(path, size)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except errors.Keras2TorchError as error:
        raise error.in_file(str(path)) from error.__cause__


@contextmanager
def _as_damage() -> Iterator[None]:
    # pyfive meets malformed structures with whatever Python raises (struct.error, AssertionError, KeyError, ...);
    # for a reader of strangers' files all of them mean the same thing.
    try:
        yield
    except errors.Keras2TorchError:
        raise
    except (MemoryError, RecursionError) as error:
        raise errors.LimitExceeded(
            f"the HDF5 structure asks for too much ({type(error).__name__})"
        ) from error
    except Exception as error:
        raise errors.DamagedHDF5(f"damaged HDF5 structure ({type(error).__name__}: {error})") from error


def _open_regular(path: Path, limits: Limits) -> tuple[BinaryIO, int]:
    try:
        handle = path.open("rb")
    except OSError as error:
        raise errors.Unreadable(f"cannot be opened ({error.strerror})") from error
    try:
        # Judged on the open descriptor, so that a file swapped in later changes nothing.
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise errors.Unreadable("not a regular file")
        if status.st_size > limits.file_bytes:
            raise errors.LimitExceeded(f"{status.st_size} bytes, more than {limits.file_bytes}")
        head = handle.read(8)
        handle.seek(0)
        if head[:4] == b"PK\x03\x04":
            raise errors.KerasZip()
        if not head:
            raise errors.NotHDF5("not an HDF5 file (empty)")
        if head != _SIGNATURE:
            raise errors.NotHDF5()
        return handle, status.st_size
    except BaseException:
        handle.close()
        raise


class _Reader:
    """One open file: attributes, links and datasets, each checked before it is believed."""

    def __init__(self, file: pyfive.File, mapped: Array, limits: Limits):
        self._file = file
        self._mapped = mapped
        self._limits = limits
        self._datasets = 0
        self._decoded_bytes = 0
        end = file._superblock._contents.get("end_of_file_address", 0)
        if isinstance(end, int) and len(mapped) < end < _UNDEFINED:
            raise errors.Truncated(f"truncated: {len(mapped)} bytes of {end}")

    def model(self, path: Path, size: int) -> SourceModel:
        root = self._file.attrs
        if "model_config" not in root:
            raise self._what_instead(root)
        group = self._child(self._file, "model_weights", "/")
        if group is None:
            raise errors.NotAKerasModel(
                "has model_config but no model_weights: an interrupted save", spot="/"
            )
        raw = root["model_config"]
        if not isinstance(raw, bytes | str):
            raise errors.BadConfig(f"model_config is a {type(raw).__name__}, not a string", spot="/")
        config = parse_object(raw, self._limits)
        keras_version = self._text(
            group.attrs.get("keras_version", root.get("keras_version")), "keras_version"
        )
        backend = self._text(group.attrs.get("backend", root.get("backend")), "backend")
        return SourceModel(
            path=path,
            bytes=size,
            format="keras-h5",
            generation=generation_of(keras_version, config),
            keras_version=keras_version,
            backend=backend,
            config=config,
            weights=self._weights(group),
        )

    def _what_instead(self, root: dict[str, Any]) -> errors.RefusedFile:
        names = set(self._file)
        if "layer_names" in root or "layer_names0" in root or "nb_layers" in root:
            return errors.WeightsOnly(
                "weights-only file: it has no model_config, so the architecture is missing"
            )
        if "layers" in names or "_layer_checkpoint_dependencies" in names:
            return errors.WeightsOnly("a Keras 3 .weights.h5 file: it has no architecture")
        return errors.NotAKerasModel("no model_config attribute: not a whole Keras model")

    def _weights(self, group: pyfive.Group) -> dict[str, tuple[StoredWeight, ...]]:
        result: dict[str, tuple[StoredWeight, ...]] = {}
        for layer in self._names(group, "layer_names", "/model_weights"):
            spot = f"/model_weights/{layer}"
            if layer in result:
                raise errors.DamagedHDF5("layer named twice in layer_names", spot=spot)
            if len(result) >= self._limits.layers:
                raise errors.LimitExceeded(f"more than {self._limits.layers} layers", spot="/model_weights")
            layer_group = self._descend(group, layer, spot)
            if not isinstance(layer_group, pyfive.Group):
                raise errors.MissingWeight("layer_names names a group that is not there", spot=spot)
            names = self._names(layer_group, "weight_names", spot)
            if len(set(names)) != len(names):
                raise errors.DamagedHDF5("weight named twice in weight_names", spot=spot)
            result[layer] = tuple(StoredWeight(name, self._array(layer_group, name, spot)) for name in names)
        return result

    def _names(self, group: pyfive.Group, attribute: str, spot: str) -> list[str]:
        """A list attribute, also where Keras split it into numbered chunks to stay under HDF5's 64 KiB bound."""
        attrs = group.attrs
        chunks = [name for name in attrs if name.startswith(attribute) and name != attribute]
        if attribute in attrs:
            if chunks:
                raise errors.DamagedHDF5(f"{attribute} stands both whole and in chunks", spot=spot)
            values = [attrs[attribute]]
        elif chunks:
            if set(chunks) != {f"{attribute}{i}" for i in range(len(chunks))}:
                raise errors.DamagedHDF5(f"chunks of {attribute} are missing", spot=spot)
            values = [attrs[f"{attribute}{i}"] for i in range(len(chunks))]
        else:
            raise errors.DamagedHDF5(f"attribute {attribute} is missing", spot=spot)
        names: list[str] = []
        for value in values:
            items = np.asarray(value)
            if items.size == 0:
                continue  # the empty list is stored as a float array of length 0
            if items.ndim != 1 or items.dtype.kind not in "SOU":
                raise errors.DamagedHDF5(f"{attribute} is not a list of names", spot=spot)
            names += [self._text(item, attribute) or "" for item in items.tolist()]
            if len(names) > self._limits.attribute_items:
                raise errors.LimitExceeded(f"{attribute} has too many entries", spot=spot)
        if "" in names:
            raise errors.DamagedHDF5(f"{attribute} holds an empty name", spot=spot)
        return names

    def _text(self, value: Any, what: str) -> str | None:
        if value is None:
            return None
        if isinstance(value, bytes):
            try:
                value = value.decode("utf-8")
            except UnicodeDecodeError as error:
                raise errors.DamagedHDF5(f"{what} is not UTF-8") from error
        if not isinstance(value, str):
            raise errors.DamagedHDF5(f"{what} is a {type(value).__name__}, not a string")
        if len(value) > self._limits.name_length or "\0" in value:
            raise errors.LimitExceeded(f"{what} is too long or holds a NUL character")
        return value

    def _child(self, group: pyfive.Group, name: str, spot: str) -> pyfive.Group | pyfive.Dataset | None:
        """One step down, over a hard link only: the target of any other kind of link is never looked at."""
        links = group._links
        if name not in links:
            return None
        if not isinstance(links[name], int | np.integer):
            raise errors.ForbiddenLink(f"{name!r} is a soft or external link", spot=spot)
        return group.get_lazy_view(name)

    def _descend(self, group: pyfive.Group, path: str, spot: str) -> pyfive.Group | pyfive.Dataset | None:
        steps = path.split("/")
        if len(steps) > self._limits.link_depth or any(step in ("", ".", "..") for step in steps):
            raise errors.DamagedHDF5("not a relative path of plain names", spot=spot)
        here: Any = group
        for step in steps:
            if not isinstance(here, pyfive.Group):
                return None
            here = self._child(here, step, spot)
        return here

    def _array(self, group: pyfive.Group, name: str, spot: str) -> Array:
        spot = f"{spot}/{name}"
        self._datasets += 1
        if self._datasets > self._limits.datasets:
            raise errors.LimitExceeded(f"more than {self._limits.datasets} datasets", spot=spot)
        dataset = self._descend(group, name, spot)
        if dataset is None:
            raise errors.MissingWeight("weight_names names a dataset that is not there", spot=spot)
        if not isinstance(dataset, pyfive.Dataset):
            raise errors.DamagedHDF5("a group where a weight should be", spot=spot)
        if _header(dataset).find_msg_type(_EXTERNAL_FILES_MESSAGE):
            raise errors.ForbiddenStorage("the data lies in another file", spot=spot)
        shape, dtype = dataset.shape, dataset.dtype
        if shape is None:
            raise errors.DamagedHDF5("an empty dataspace where a weight should be", spot=spot)
        if not isinstance(dtype, np.dtype) or dtype.kind not in "fiub" or dtype.itemsize > 8 or dtype.names:
            raise errors.ForbiddenStorage(f"data type {dtype} is not a plain number", spot=spot)
        if len(shape) > self._limits.tensor_rank:
            raise errors.LimitExceeded(f"rank {len(shape)}, more than {self._limits.tensor_rank}", spot=spot)
        nbytes = dtype.itemsize
        for extent in shape:
            nbytes *= int(extent)
        if nbytes == 0:
            return np.zeros(shape, dtype)
        layout = dataset.id.layout_class
        if layout == _CONTIGUOUS:
            return self._mapped_array(dataset.id.data_offset, nbytes, shape, dtype, spot)
        if layout == _COMPACT and nbytes <= 1 << 16:
            return np.asarray(dataset[...]).reshape(shape)
        if layout == _CHUNKED:
            return self._decoded_array(dataset, nbytes, spot)
        raise errors.ForbiddenStorage("a virtual or unknown storage layout", spot=spot)

    def _mapped_array(
        self, offset: int, nbytes: int, shape: tuple[int, ...], dtype: np.dtype[Any], spot: str
    ) -> Array:
        start = offset + self._file.userblock_size
        if offset == _UNDEFINED:
            raise errors.ForbiddenStorage("nothing was ever stored for this weight", spot=spot)
        if start < 0 or start + nbytes > len(self._mapped):
            raise errors.Truncated(f"needs bytes {start}..{start + nbytes} of {len(self._mapped)}", spot=spot)
        return self._mapped[start : start + nbytes].view(dtype).reshape(shape)

    def _decoded_array(self, dataset: pyfive.Dataset, nbytes: int, spot: str) -> Array:
        """A chunked dataset: not what Keras writes, but what repacking tools leave behind."""
        filters = {int(step["filter_id"]) for step in dataset.id.filter_pipeline or ()}
        if filters - {_GZIP, _SHUFFLE, _FLETCHER32}:
            raise errors.ForbiddenStorage(
                f"filters {sorted(filters)}; only gzip, shuffle and fletcher32", spot=spot
            )
        stored = sum(chunk.size for chunk in dataset.id.index.values())
        if stored > len(self._mapped) or nbytes > self._limits.expansion * max(stored, 1):
            raise errors.LimitExceeded(f"{stored} stored bytes expand to {nbytes}", spot=spot)
        self._decoded_bytes += nbytes
        if self._decoded_bytes > self._limits.compressed_bytes:
            raise errors.LimitExceeded("compressed datasets expand past the limit", spot=spot)
        return np.asarray(dataset[...])


def _header(dataset: pyfive.Dataset) -> DataObjects:
    return dataset.parent.file._get_dataobjects(dataset.parent._links[dataset.name.rsplit("/", 1)[-1]])
