"""Bounds on what a file may ask of us. Every number is a default; genuine models stay far below them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Limits that a reader enforces before it allocates, loops or recurses."""

    file_bytes: int = 16 << 30
    structure_reads: int = 256 << 20
    """Bytes of HDF5 structure read in all, each read counted as 64 bytes more than it brings (see `hdf5.Window`)."""
    config_bytes: int = 64 << 20
    json_depth: int = 64
    json_items: int = 500_000
    """Members of all objects and lists of a configuration."""
    layers: int = 20_000
    datasets: int = 100_000
    tensor_rank: int = 8
    link_depth: int = 64
    name_length: int = 4096
    links: int = 50_000
    """Children of one group."""
    attribute_items: int = 50_000
    """Items of all attributes of one group: names of layers, names of weights."""
    expansion: int = 100
    """Largest ratio of decoded to stored bytes for a compressed dataset."""
    compressed_bytes: int = 4 << 30
    """Largest total of decoded bytes from compressed datasets (they cannot be memory-mapped)."""


DEFAULT = Limits()
