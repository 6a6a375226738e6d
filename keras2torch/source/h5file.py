"""Whole-model `.h5` files as Keras writes them: attributes with the configuration, groups with the weights.

With `hdf5` and `datasets` the only code that touches untrusted bytes. It admits what Keras itself writes (hard links,
groups, plain numbers) and hands weights out as views of one memory map. The attributes read here are those that
`keras.saving.legacy` and `tf_keras.src.saving.legacy.hdf5_format` write.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from keras2torch import errors
from keras2torch.source.datasets import Datasets
from keras2torch.source.generation import generation_of
from keras2torch.source.hdf5 import HDF5, Node
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import DEFAULT, Limits
from keras2torch.source.model import Array, SourceModel, StoredWeight

_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def read_h5(path: Path, limits: Limits = DEFAULT) -> SourceModel:
    """Read the model in `path`; weights stay memory-mapped.

    Raises a `RefusedFile` that names the file, and the place in it, for anything but a sound whole-model `.h5`.
    """
    with _naming(path), _open_regular(path, limits) as handle:
        try:
            mapped = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:
            raise errors.Unreadable(f"cannot be mapped into memory ({error})") from error
        content = np.frombuffer(mapped, dtype=np.uint8)
        return _Reader(HDF5(mapped, limits), content, limits).model(path)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except errors.Keras2TorchError as error:
        raise error.in_file(str(path)) from error.__cause__


def _open_regular(path: Path, limits: Limits) -> BinaryIO:
    try:
        # Without blocking, because nobody may be at the other end of a named pipe.
        handle = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    except IsADirectoryError as error:
        raise errors.Unreadable("not a regular file") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise errors.Unreadable(f"cannot be opened ({reason})") from error
    try:
        # Judged on the open descriptor, so that a file swapped in later changes nothing.
        status = os.fstat(handle.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise errors.Unreadable("not a regular file")
        if status.st_size > limits.file_bytes:
            raise errors.LimitExceeded(f"{status.st_size} bytes, more than {limits.file_bytes}")
        head = handle.read(8)
        if not head:
            raise errors.NotHDF5("not an HDF5 file (empty)")
        if head.startswith(b"PK\x03\x04"):
            raise errors.KerasZip
        if head != _SIGNATURE:
            raise errors.NotHDF5
        return handle
    except OSError as error:
        handle.close()
        raise errors.Unreadable(f"cannot be read ({error.strerror})") from error
    except BaseException:
        handle.close()
        raise


class _Reader:
    """Where Keras keeps what, each step checked before it is believed."""

    def __init__(self, file: HDF5, content: Array, limits: Limits):
        self._file = file
        self._content = content
        self._limits = limits
        self._datasets = Datasets(content, limits)

    def model(self, path: Path) -> SourceModel:
        root = self._file.root.attributes
        if "model_config" not in root:
            raise self._what_instead(root)
        group = self._file.child(self._file.root, "model_weights")
        if group is None:
            raise errors.NotAKerasModel("has model_config but no model_weights: an interrupted save")
        if not group.is_a_group:
            raise errors.DamagedHDF5("not a group", spot=group.spot)
        raw = root["model_config"]
        if not isinstance(raw, bytes | str):
            raise errors.BadConfig(f"model_config is a {type(raw).__name__}, not a string", spot="/")
        config = parse_object(raw, self._limits)
        version = group.attributes.get("keras_version", root.get("keras_version"))
        keras_version = None if version is None else self._text(version, "keras_version", "/")
        backend = group.attributes.get("backend", root.get("backend"))
        return SourceModel(
            path=path,
            content=self._content,
            format="keras-h5",
            generation=generation_of(keras_version, config),
            keras_version=keras_version,
            backend=None if backend is None else self._text(backend, "backend", "/"),
            config=config,
            weights=self._weights(group),
        )

    def _what_instead(self, attributes: Mapping[str, Any]) -> errors.RefusedFile:
        names = self._file.root.links.keys()
        if attributes.keys() & {"layer_names", "layer_names0", "nb_layers"}:
            return errors.WeightsOnly(
                "weights-only file: it has no model_config, so the architecture is missing"
            )
        if names & {"layers", "_layer_checkpoint_dependencies"}:
            return errors.WeightsOnly("a Keras 3 .weights.h5 file: it has no architecture")
        return errors.NotAKerasModel("no model_config attribute: not a whole Keras model")

    def _weights(self, group: Node) -> dict[str, tuple[StoredWeight, ...]]:
        result: dict[str, tuple[StoredWeight, ...]] = {}
        for layer in self._names(group, "layer_names"):
            if layer in result:
                raise errors.DamagedHDF5(f"layer_names holds {layer!r} twice", spot=group.spot)
            if len(result) >= self._limits.layers:
                raise errors.LimitExceeded(f"more than {self._limits.layers} layers", spot=group.spot)
            owner = self._file.descend(group, layer)
            if owner is None or not owner.is_a_group:
                raise errors.MissingWeight(
                    f"layer_names holds {layer!r}, which is not a group here", spot=group.spot
                )
            names = self._names(owner, "weight_names")
            if len(set(names)) != len(names):
                raise errors.DamagedHDF5("weight_names holds a name twice", spot=owner.spot)
            result[layer] = tuple(StoredWeight(name, self._weight(owner, name)) for name in names)
        return result

    def _weight(self, owner: Node, name: str) -> Array:
        node = self._file.descend(owner, name)
        if node is None:
            raise errors.MissingWeight(f"weight_names holds {name!r}, which is not there", spot=owner.spot)
        if not node.is_a_dataset:
            raise errors.DamagedHDF5("a group where a weight should be", spot=node.spot)
        return self._datasets.array(node)

    def _names(self, node: Node, attribute: str) -> list[str]:
        """A list attribute, also where Keras split it into numbered chunks to stay under HDF5's 64 KiB bound."""
        attributes = node.attributes
        chunks = [name for name in attributes if name.startswith(attribute) and name != attribute]
        if attribute in attributes:
            if chunks:
                raise errors.DamagedHDF5(f"{attribute} stands both whole and in chunks", spot=node.spot)
            values = [attributes[attribute]]
        elif chunks:
            if set(chunks) != {f"{attribute}{i}" for i in range(len(chunks))}:
                raise errors.DamagedHDF5(f"chunks of {attribute} are missing", spot=node.spot)
            values = [attributes[f"{attribute}{i}"] for i in range(len(chunks))]
        else:
            raise errors.DamagedHDF5(f"attribute {attribute} is missing", spot=node.spot)
        names: list[str] = []
        for value in values:
            items = np.asarray(value)
            if items.size == 0:
                continue  # the empty list is stored as a float array of length 0
            if items.ndim != 1 or items.dtype.kind not in "SO":
                raise errors.DamagedHDF5(f"{attribute} is not a list of names", spot=node.spot)
            names += [self._text(item, attribute, node.spot) for item in items.tolist()]
        if "" in names:
            raise errors.DamagedHDF5(f"{attribute} holds an empty name", spot=node.spot)
        return names

    def _text(self, value: Any, what: str, spot: str) -> str:
        if not isinstance(value, bytes):
            raise errors.DamagedHDF5(f"{what} holds a {type(value).__name__}, not text", spot=spot)
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise errors.DamagedHDF5(f"{what} is not UTF-8", spot=spot) from error
        if len(text) > self._limits.name_length or "\0" in text:
            raise errors.LimitExceeded(f"{what} is too long or holds a NUL character", spot=spot)
        return text
