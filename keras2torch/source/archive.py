"""Members of a zip archive, found by its own directory and bounded before a byte of them is used.

Only what Keras writes: one file on one disk, members stored or deflated, none encrypted, no name twice. Members are
never extracted to a path, so what a name says about folders or links means nothing here. A stored member is a view of
the mapped file. Format: APPNOTE.TXT of PKWARE, sections 4.3.7 to 4.3.16, 4.5.3.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from keras2torch.errors import DamagedZip, LimitExceeded
from keras2torch.source import arriving
from keras2torch.source.limits import Limits

_LOCAL, _CENTRAL = b"PK\x03\x04", b"PK\x01\x02"
_END, _END64, _LOCATOR64 = b"PK\x05\x06", b"PK\x06\x06", b"PK\x06\x07"
_LONGEST_COMMENT = 0xFFFF
_ENCRYPTED, _UTF8 = 0x0001, 0x0800
_STORED, _DEFLATED = 0, 8
_IN_ZIP64 = 0xFFFFFFFF
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """One entry of the directory; nothing of it has been read yet."""

    name: str
    method: int
    checksum: int
    stored_bytes: int
    bytes: int
    offset: int

    @property
    def packed(self) -> bool:
        return self.method != _STORED


class Zip:
    """The directory of one archive. Raises `DamagedZip` or `LimitExceeded`."""

    def __init__(self, data: memoryview, limits: Limits):
        self._data = data
        self._limits = limits
        self.members: dict[str, Member] = {}
        try:
            for member in self._directory():
                if member.name in self.members:
                    raise DamagedZip(f"holds {member.name!r} twice")
                self.members[member.name] = member
        except (struct.error, UnicodeDecodeError) as error:
            raise DamagedZip(f"damaged zip directory ({error})") from error

    def read(self, name: str, most: int, *, in_parts: bool = False) -> memoryview:
        """The bytes of a member, of which there may be `most`: a view where it is stored, else decoded.

        With `in_parts`, nothing of a stored member needs to have arrived: whoever reads it says what they read, counted
        from `place`, and its checksum is not looked at unless all of the file is there. Raises `DamagedZip` where the
        member is missing, or is not what its checksum says.
        """
        member = self.members.get(name)
        if member is None:
            raise DamagedZip(f"a zip archive without {name}: not a .keras model")
        if member.bytes > most:
            raise LimitExceeded(f"{name} is {member.bytes} bytes, more than {most}")
        start = self._start(member)
        stored = self._data[start : start + member.stored_bytes]
        if len(stored) != member.stored_bytes:
            raise DamagedZip(f"truncated: {member.name} goes past the end")
        in_parts = in_parts and not member.packed and not arriving.is_complete()
        if not in_parts:
            arriving.need(start, start + len(stored))
        if member.method == _DEFLATED:
            if member.bytes > self._limits.expansion * max(member.stored_bytes, 1):
                raise LimitExceeded(f"{name}: {member.stored_bytes} stored bytes expand to {member.bytes}")
            stored = _inflated(stored, member)
        elif member.stored_bytes != member.bytes:
            raise DamagedZip(f"{name} is stored as it is, in {member.stored_bytes} bytes for {member.bytes}")
        if in_parts:
            return stored
        checksum = 0
        for at in range(0, len(stored), _BLOCK):
            checksum = zlib.crc32(stored[at : at + _BLOCK], checksum)
        if checksum != member.checksum:
            raise DamagedZip(f"{name} is not what its checksum says")
        return stored

    def place(self, name: str) -> int | None:
        """Where in the file the bytes of a member begin that was read; None: nowhere, for they were decoded."""
        member = self.members[name]
        return None if member.packed else self._start(member)

    def _directory(self) -> Iterator[Member]:
        count, size, start = self._end()
        if count > self._limits.zip_members or size > self._limits.zip_directory_bytes:
            raise LimitExceeded(f"a zip directory of {count} members and {size} bytes")
        directory = self._bytes(start, start + size)
        position = 0
        for _ in range(count):
            (signature, _, _, flags, method, _, _, checksum, stored_bytes, size, name_length, extra_length,
             comment_length, _, _, _, offset) = struct.unpack_from("<4s6H3I5H2I", directory, position)  # fmt: skip
            if signature != _CENTRAL:
                raise DamagedZip("damaged zip directory")
            if flags & _ENCRYPTED or method not in (_STORED, _DEFLATED):
                raise DamagedZip("a member encrypted, or packed in a way Keras never writes")
            name_end = position + 46 + name_length
            name = directory[position + 46 : name_end].decode("utf-8" if flags & _UTF8 else "cp437")
            if (len(name) != name_length and not flags & _UTF8) or "\0" in name:
                raise DamagedZip("a member whose name is no name")
            extra = directory[name_end : name_end + extra_length]
            size, stored_bytes, offset = _sizes(extra, size, stored_bytes, offset)
            position = name_end + extra_length + comment_length
            yield Member(name, method, checksum, stored_bytes, size, offset)
        if position != len(directory):
            raise DamagedZip("a zip directory of another size than it says")

    def _end(self) -> tuple[int, int, int]:
        """(members, bytes, offset) of the directory."""
        tail_start = max(len(self._data) - _LONGEST_COMMENT - 22, 0)
        tail = self._bytes(tail_start, len(self._data))
        found = tail.rfind(_END)
        if found < 0:
            raise DamagedZip("a zip archive without an end: truncated?")
        disk, first, here, count, size, start = struct.unpack_from("<4x4H2I", tail, found)
        if tail_start + found >= 20:
            locator = self._bytes(tail_start + found - 20, tail_start + found)
            if locator.startswith(_LOCATOR64):
                (at,) = struct.unpack_from("<8xQ", locator)
                end64 = self._bytes(at, at + 56)
                if not end64.startswith(_END64):
                    raise DamagedZip("damaged zip directory")
                disk, first, here, count, size, start = struct.unpack_from("<16x2I4Q", end64)
        if disk or first or here != count:
            raise DamagedZip("a zip archive in several parts")
        return count, size, start

    def _start(self, member: Member) -> int:
        """Where its bytes begin."""
        header = self._bytes(member.offset, member.offset + 30)
        if len(header) != 30 or not header.startswith(_LOCAL):
            raise DamagedZip(f"{member.name} is not where the zip directory says")
        name_length, extra_length = struct.unpack_from("<26x2H", header)
        return int(member.offset + 30 + name_length + extra_length)

    def _bytes(self, start: int, stop: int) -> bytes:
        """As many of these as there are in the file."""
        found = self._data[start:stop]
        arriving.need(start, start + len(found))
        return bytes(found)


def _sizes(extra: bytes, size: int, stored_bytes: int, offset: int) -> tuple[int, int, int]:
    """The three numbers, each from the zip64 extra field where the directory has no room for it."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            large = iter(struct.unpack_from(f"<{length // 8}Q", extra, position + 4))
            found = [
                next(large, value) if value == _IN_ZIP64 else value for value in (size, stored_bytes, offset)
            ]
            return found[0], found[1], found[2]
        position += 4 + length
    return size, stored_bytes, offset


def _inflated(stored: memoryview, member: Member) -> memoryview:
    """Decoded into as many bytes as the directory says: a small stream may unpack to anything."""
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        decoded = stream.decompress(stored, member.bytes + 1)
    except zlib.error as error:
        raise DamagedZip(f"{member.name} cannot be unpacked ({error})") from error
    if len(decoded) != member.bytes or not stream.eof:
        raise DamagedZip(f"{member.name} does not unpack to the {member.bytes} bytes it says")
    return memoryview(decoded)
