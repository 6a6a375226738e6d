"""Bounds on what a file may ask of us, all in one place. Every number is a default that a caller may change.

Genuine models stay far below them. What refuses a file soon is the smaller ones: a caller that raises them gives more
time and memory to whoever wrote the file.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from typing import Self

from keras2torch.errors import UsageError


@dataclass(frozen=True)
class Limits:
    """Limits that are enforced before anything is allocated, looped over or recursed into."""

    file_bytes: int = 16 << 30
    """Size of the file."""
    structure_reads: int = 256 << 20
    """Bytes of HDF5 structure read in all, each read counted as 64 bytes more than it brings (see `hdf5.Window`)."""
    config_bytes: int = 64 << 20
    """Length of the configuration, which is JSON, and of what else is JSON in an archive."""
    json_depth: int = 64
    """How deep its objects and lists are nested."""
    json_items: int = 500_000
    """Members of all objects and lists of a configuration."""
    nesting: int = 32
    """Models in models, and layers in layers."""
    layers: int = 20_000
    """Layers in one model, and groups of weights in one file."""
    calls: int = 40_000
    """Calls of layers and arguments of them, once nested models are laid flat. A short file can stand for a graph
    without end, since a model may call another many times."""
    datasets: int = 100_000
    """Weights in one file."""
    tensor_rank: int = 8
    """Axes of a weight."""
    tensor_elements: int = 1 << 40
    """Elements of what a layer yields, open axes counted as one. Such a layer is refused as any other that cannot be
    converted, so that all of them are told at once."""
    link_depth: int = 64
    """Steps of a path inside the file."""
    name_length: int = 4096
    """Characters of a name."""
    links: int = 50_000
    """Children of one group."""
    attribute_items: int = 50_000
    """Items of all attributes of one group: names of layers, names of weights."""
    expansion: int = 100
    """Largest ratio of decoded to stored bytes for a compressed dataset."""
    compressed_bytes: int = 4 << 30
    """Largest total of decoded bytes from compressed datasets (they cannot be memory-mapped)."""
    zip_members: int = 10_000
    """Members of an archive."""
    zip_directory_bytes: int = 16 << 20
    """Length of an archive's directory."""

    @classmethod
    def of(cls, asked: Collection[tuple[str, int]]) -> Self:
        """The defaults, but for those asked for, by name. Raises `UsageError` for a name that is none."""
        names = [field.name for field in dataclasses.fields(cls)]
        for name, _ in asked:
            if name not in names:
                raise UsageError(f"there is no limit {name!r}; there are {', '.join(names)}")
        return cls(**dict(asked))


DEFAULT = Limits()
