"""HDF5 files written byte by byte: structures that no library would write."""

import struct
from collections.abc import Callable
from pathlib import Path

SIGNATURE = b"\x89HDF\r\n\x1a\n"
UNDEFINED = 0xFFFFFFFFFFFFFFFF
ROOT = 48
"""Where the root group's object header stands, right behind the superblock."""
CONTINUATION, SYMBOL_TABLE, ATTRIBUTE = 0x10, 0x11, 0x0C
SYMBOL_NODE, SYMBOLS = b"SNOD", "<4sBxH"


def write_file(path: Path, *blocks: bytes) -> Path:
    """A file of superblock version 2 whose root object header is the first of `blocks`."""
    body = b"".join(blocks)
    end = ROOT + len(body)
    superblock = SIGNATURE + struct.pack("<BBBBQQQQI", 2, 8, 8, 0, 0, UNDEFINED, end, ROOT, 0)
    path.write_bytes(superblock + body)
    return path


def header(*messages: bytes) -> bytes:
    """An object header of version 2 in one block."""
    body = b"".join(messages)
    return b"OHDR" + struct.pack("<BBI", 2, 2, len(body)) + body + bytes(4)


def header_v1(count: int, *messages: bytes) -> bytes:
    """An object header of version 1 that claims to have `count` messages."""
    body = b"".join(messages)
    return struct.pack("<BBHII4x", 1, 0, count, 1, len(body)) + body


def message(kind: int, data: bytes) -> bytes:
    return struct.pack("<BHB", kind, len(data), 0) + data


def message_v1(kind: int, data: bytes) -> bytes:
    return struct.pack("<HHB3x", kind, len(data), 0) + data


def continuation(address: int, size: int) -> bytes:
    return struct.pack("<QQ", address, size)


def attribute(name: bytes, datatype: bytes, dataspace: bytes, data: bytes) -> bytes:
    """The content of an attribute message of version 3."""
    name += b"\0"
    return (
        struct.pack("<BBHHHB", 3, 0, len(name), len(datatype), len(dataspace), 0)
        + name
        + datatype
        + dataspace
        + data
    )


def vlen_strings() -> bytes:
    """The datatype of variable-length strings."""
    return struct.pack("<BBBBI", 0x19, 1, 0, 0, 16) + struct.pack("<BBBBIHH", 0x10, 0, 0, 0, 1, 0, 8)


def simple_space(*extents: int) -> bytes:
    return struct.pack("<BBBB", 2, len(extents), 0, 1) + struct.pack(f"<{len(extents)}Q", *extents)


def tree_node(kind: int, level: int, children: list[int], key: bytes) -> bytes:
    """A node of a version 1 B-tree whose keys are all the same."""
    head = b"TREE" + struct.pack("<BBHQQ", kind, level, len(children), UNDEFINED, UNDEFINED)
    return head + b"".join(key + struct.pack("<Q", child) for child in children) + key


def braid(kind: int, levels: int, width: int, start: int, key: bytes) -> bytes:
    """A B-tree in which every node's children are one and the same: width ** levels leaves in a few hundred bytes.

    The root stands at `start`.
    """
    size = len(tree_node(kind, 0, [0] * width, key))
    nodes = [
        tree_node(kind, levels - depth, [start + (depth + 1) * size] * width, key) for depth in range(levels)
    ]
    return b"".join(nodes) + tree_node(kind, 0, [], key)


def local_heap(address: int, data: bytes) -> bytes:
    """A local heap that stands at `address`, its data right behind it."""
    return b"HEAP" + struct.pack("<B3xQQQ", 0, len(data), UNDEFINED, address + 32) + data


def symbol_node(count: int) -> bytes:
    """A symbol table node of `count` links, all with the name at the start of the heap."""
    return struct.pack(SYMBOLS, SYMBOL_NODE, 1, count) + struct.pack("<QQII16x", 0, ROOT, 0, 0) * count


def placed(*makers: Callable[[int], bytes]) -> list[bytes]:
    """Blocks one behind the other, each made by a function of its address."""
    made: list[bytes] = []
    for maker in makers:
        made.append(maker(ROOT + sum(map(len, made))))
    return made
