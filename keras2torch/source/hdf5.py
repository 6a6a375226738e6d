"""HDF5 structures through pyfive, with limits in front of it.

pyfive trusts the files it reads: a header that continues in itself, a B-tree whose nodes share one child, an attribute
of 2^40 strings would keep it busy for ever or take all memory. So it reads through a `Window` that gives out only so
much, its object headers are read by a subclass that bounds what one object may ask for, and everything that it raises
becomes a `RefusedFile` that says where. Format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t4.html
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from pyfive import btree, dataobjects, misc_low_level

from keras2torch import errors
from keras2torch.source import arriving
from keras2torch.source.limits import Limits

UNDEFINED = 0xFFFFFFFFFFFFFFFF
"""The address of what was never stored."""
_DATATYPE = 0x0003
_EXTERNAL_FILES = 0x0007
_LINKS = (0x0002, 0x0006, 0x0011)
"""Messages that only groups have: link info, link, symbol table."""
ATTRIBUTES = ("model_config", "keras_version", "backend", "layer_names", "weight_names")
"""How the names of those attributes begin that are read at all."""
COMPILED = "training_config"
"""Of the root, and worth knowing only: a damaged one is None, no reason to refuse the file."""
_ATTRIBUTE_HEADERS = {1: 8, 3: 9}
"""Version of an attribute message -> bytes in front of its name."""
_HARD_LINKS, _SOFT_LINK = (0, 1), 2
_READ_COST = 64
# One object header continues in few blocks; each costs a copy of all before it.
_HEADER_READS, _HEADER_BYTES = 1024, 16 << 20
# The records of newer groups and attributes are looked up in a list of heap blocks, one by one.
_RECORD_READS = 32_768
_CHUNK_INDEX_BYTES = 16 << 20
# Sound files cost at most 1.3 times their size: what a few hundred bytes lead on to is refused soon.
_READS_A_BYTE, _READS_IN_ANY_FILE = 8, 1 << 20


class Window:
    """The mapped file as pyfive reads it: nothing past its end, and no more in all than a sound file needs.

    A read costs its bytes and `read_cost` besides; `LimitExceeded` where the sum goes past `most`, or past what is
    left to the window that this one is `part` of.
    """

    def __init__(
        self, data: memoryview, most: int, *, read_cost: int = _READ_COST, whole: Window | None = None
    ):
        self._data = data
        self._left = most
        self._read_cost = read_cost
        self._whole = whole
        self._position = 0

    def part(self, most: int, *, read_cost: int = _READ_COST) -> Window:
        return Window(self._data, most, read_cost=read_cost, whole=self)

    def seek(self, offset: int, whence: int = 0) -> int:
        self._position = offset + (0, self._position, len(self._data))[whence]
        if self._position < 0:
            raise errors.DamagedHDF5("an address before the start of the file")
        return self._position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        stop = len(self._data) if size < 0 else self._position + size
        found = self._data[self._position : stop]
        self._spend(len(found))  # before there is a copy of it
        arriving.need(self._position, self._position + len(found))
        self._position += len(found)
        return bytes(found)

    def _spend(self, size: int) -> None:
        self._left -= size + self._read_cost
        if self._left < 0:
            raise errors.LimitExceeded("the HDF5 structure takes more reading than that of a sound file")
        if self._whole is not None:
            self._whole._spend(size)


@contextmanager
def damage_at(spot: str) -> Iterator[None]:
    """Turn whatever pyfive raises into a `RefusedFile` with a place."""
    try:
        yield
    except errors.Keras2TorchError as error:
        error.spot = error.spot or spot
        raise
    except (MemoryError, RecursionError) as error:
        message = f"the HDF5 structure asks for too much ({type(error).__name__})"
        raise errors.LimitExceeded(message, spot=spot) from error
    except Exception as error:
        # struct.error, AssertionError, KeyError ...: for a reader of strangers' files they all mean the same.
        message = f"damaged HDF5 structure ({type(error).__name__}: {error})"
        raise errors.DamagedHDF5(message, spot=spot) from error


class Node(dataobjects.DataObjects):  # type: ignore[misc]
    """A group or a dataset: its object header, and what hangs on it. `spot` is its path in the file."""

    def __init__(self, window: Window, address: int, spot: str, limits: Limits, global_heaps: dict[int, Any]):
        self.spot = spot
        self._limits = limits
        self._window = window
        self._attribute_items = 0
        with damage_at(spot):
            cost = _HEADER_BYTES // _HEADER_READS
            super().__init__(window.part(_HEADER_BYTES, read_cost=cost), address, global_heaps=global_heaps)
        self.fh = window

    @property
    def is_a_dataset(self) -> bool:
        return bool(self.is_dataset)

    @property
    def is_a_group(self) -> bool:
        return not self.is_dataset and any(self.find_msg_type(kind) for kind in _LINKS)

    @property
    def in_other_files(self) -> bool:
        """Whether a dataset keeps its data in files beside this one."""
        return bool(self.find_msg_type(_EXTERNAL_FILES))

    @cached_property
    def attributes(self) -> Mapping[str, Any]:
        with damage_at(self.spot), warnings.catch_warnings():
            # pyfive warns of types that it does not read and makes them None, which is no name and no configuration.
            warnings.simplefilter("ignore")
            return dict(self.get_attributes())

    @cached_property
    def links(self) -> Mapping[str, int | str]:
        """Child name -> address, or the path that a soft link holds."""
        with damage_at(self.spot):
            found: dict[str, int | str] = {}
            for name, target in self.iter_links():
                found[name] = target
                if len(found) > self._limits.links:
                    raise errors.LimitExceeded(f"more than {self._limits.links} links")
            return found

    def datatype(self) -> bytes:
        """The datatype message: how the numbers of a dataset are laid out."""
        message = self.find_msg_type(_DATATYPE)[0]
        start = message["offset_to_message"]
        return bytes(self.msg_data[start : start + message["size"]])

    def layout(self) -> tuple[int, int, bytes]:
        """(version, class, properties) of a dataset's storage layout message."""
        start, layout_class, properties = self.get_id_storage_params()
        return self.msg_data[start], layout_class, bytes(self.msg_data[properties:])

    def chunk_index(self) -> Iterator[tuple[tuple[int, ...], int, int, int]]:
        """(offset in the array, address, bytes, mask of filters left out) of each stored chunk."""
        chunks = self.chunks
        if self._chunk_address == UNDEFINED:
            return
        window = self._window.part(_CHUNK_INDEX_BYTES)
        tree = btree.BTreeV1RawDataChunks(window, self._chunk_address, len(chunks) + 1)
        for node in tree.all_nodes.get(0, ()):
            for key, address in zip(node["keys"], node["addresses"], strict=True):
                yield tuple(key["chunk_offset"][:-1]), address, key["chunk_size"], key["filter_mask"]

    # ------------------------------------------------------------------------------- limits on what pyfive does

    def _parse_attribute_msg(self, buffer: bytes, offset: int) -> tuple[str, Any]:
        # What nobody asks for, as the state of an optimizer's training, is not decoded, whatever it claims to be.
        start = offset + _ATTRIBUTE_HEADERS.get(buffer[offset], 0)
        (size,) = struct.unpack_from("<H", buffer, offset + 2)
        name = bytes(buffer[start : start + size]).strip(b"\0").decode("utf-8")
        if name == COMPILED and self.spot == "/":
            items = self._attribute_items
            try:
                with damage_at(self.spot):
                    return name, super()._parse_attribute_msg(buffer, offset)[1]
            except errors.RefusedFile:
                self._attribute_items = items
                return name, None
        if start > offset and not name.startswith(ATTRIBUTES):
            return name, None
        found: tuple[str, Any] = super()._parse_attribute_msg(buffer, offset)
        return found

    def _attr_value(self, ptype: Any, buf: Any, count: int, offset: int) -> Any:
        self._attribute_items += count
        if self._attribute_items > self._limits.attribute_items:
            raise errors.LimitExceeded(f"attributes of {self._attribute_items} items", spot=self.spot)
        return super()._attr_value(ptype, buf, count, offset)

    def _get_attributes_from_attr_info(self, attrs: Any, attr_info: Any) -> Any:
        with self._sparingly():
            return super()._get_attributes_from_attr_info(attrs, attr_info)

    def _iter_links_btree_v2(self, *addresses: Any) -> Iterator[tuple[str, Any]]:
        with self._sparingly():
            yield from super()._iter_links_btree_v2(*addresses)

    @contextmanager
    def _sparingly(self) -> Iterator[None]:
        self.fh = self._window.part(_RECORD_READS * 4096, read_cost=4096)
        try:
            yield
        finally:
            self.fh = self._window

    def _iter_links_btree_v1(self, btree_address: int, heap_address: int) -> Iterator[tuple[str, Any]]:
        names = _Names(self.fh, heap_address, self._limits.name_length)
        for address in btree.BTreeV1Groups(self.fh, btree_address).symbol_table_addresses():
            yield from self._symbols(address, names)

    def _symbols(self, address: int, names: _Names) -> Iterator[tuple[str, int | str]]:
        """The links in one node of a group's tree. In one piece, since pyfive's way takes ten times as long."""
        self.fh.seek(address)
        signature, count = struct.unpack("<4s2xH", self.fh.read(8))
        if signature != b"SNOD":
            raise errors.DamagedHDF5("a node of a group without its signature")
        for name, target, kind, scratch in struct.iter_unpack("<QQI4xI12x", self.fh.read(count * 40)):
            text = names.get_object_name(name).decode("utf-8")
            if kind == _SOFT_LINK:
                yield text, names.get_object_name(scratch).decode("utf-8")
            elif kind in _HARD_LINKS:
                yield text, target

    @staticmethod
    def _decode_link_msg(data: bytes, offset: int) -> Any:
        flags, kind = struct.unpack_from("<xBB", data, offset)
        if flags & 8 and kind not in (0, 1):
            raise errors.ForbiddenLink("holds a link to another file, or one of an unknown kind")
        return dataobjects.DataObjects._decode_link_msg(data, offset)


class _Names(misc_low_level.Heap):  # type: ignore[misc]
    """The names of a group's children. pyfive would look through all of the heap for the end of each."""

    def __init__(self, window: Window, address: int, longest: int):
        super().__init__(window, address)
        self._longest = longest

    def get_object_name(self, offset: int) -> bytes:
        end = self.data.find(b"\0", offset, offset + self._longest + 1)
        if end < 0:
            raise errors.LimitExceeded(f"a name of more than {self._longest} bytes")
        return bytes(self.data[offset:end])


class HDF5:
    """One mapped file."""

    def __init__(self, data: memoryview, limits: Limits):
        self._limits = limits
        most = min(limits.structure_reads, _READS_IN_ANY_FILE + _READS_A_BYTE * len(data))
        self._window = Window(data, most)
        self._heaps: dict[int, Any] = {}
        self._groups: dict[int, Node] = {}
        with damage_at("/"):
            superblock = misc_low_level.SuperBlock(self._window, 0)
            contents = superblock._contents
            if contents["base_address"]:
                raise errors.DamagedHDF5("addresses that do not count from the start of the file")
            end = contents["end_of_file_address"]
            if len(data) < end < UNDEFINED:
                raise errors.Truncated(f"truncated: {len(data)} bytes of {end}")
            self.root = self._node(superblock.offset_to_dataobjects, "/")

    def _node(self, address: int, spot: str) -> Node:
        return Node(self._window, address, spot, self._limits, self._heaps)

    def child(self, group: Node, name: str) -> Node | None:
        """One step down, over a hard link only: where any other kind of link leads is never looked at."""
        target = group.links.get(name)
        if target is None:
            return None
        if not isinstance(target, int):
            raise errors.ForbiddenLink(f"{name!r} is a soft link", spot=group.spot)
        if target not in self._groups:
            node = self._node(target, f"{group.spot.rstrip('/')}/{name}")
            if not node.is_a_group:
                return node
            # Kept: Keras stores weights several groups deep, and asks for each by its whole path.
            self._groups[target] = node
        return self._groups[target]

    def descend(self, group: Node, path: str) -> Node | None:
        """Down along a relative path of plain names, or None where there is nothing."""
        steps = path.split("/")
        if len(steps) > self._limits.link_depth or any(step in ("", ".", "..") for step in steps):
            raise errors.DamagedHDF5(f"not a relative path of plain names: {path!r}", spot=group.spot)
        here: Node | None = group
        for step in steps:
            if here is None or not here.is_a_group:
                return None
            here = self.child(here, step)
        return here
