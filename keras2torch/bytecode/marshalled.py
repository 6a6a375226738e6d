"""A reader of marshalled code objects, for the few types that a simple function consists of.

Python's own reader is written for trusted bytes: it may crash on others, and code objects it makes can run. This one
makes tuples, numbers and strings, and a record of the parts of a code object. The format is that of
`Python/marshal.c` in CPython 2.7 and 3.0 to 3.13.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from keras2torch.bytecode.refusal import NotRecognised

_LARGEST_CODE = 1 << 16
_DEEPEST = 16
_MOST_OBJECTS = 4096
_LONGEST_INT = 8
"""Digits of 15 bits: 120 bits hold every integer that means something here."""
_REFERABLE = 0x80


class Layout(Enum):
    """How a code object is laid out: by the Pythons that write it so."""

    PYTHON27 = "2.7"
    PYTHON30 = "3.0 to 3.7"
    PYTHON38 = "3.8 to 3.10"
    PYTHON311 = "3.11 or newer"


# Integers that stand before the instructions.
_COUNTS = {
    Layout.PYTHON27: ("arguments", "locals", "stack", "flags"),
    Layout.PYTHON30: ("arguments", "keyword_only", "locals", "stack", "flags"),
    Layout.PYTHON38: ("arguments", "position_only", "keyword_only", "locals", "stack", "flags"),
    Layout.PYTHON311: ("arguments", "position_only", "keyword_only", "stack", "flags"),
}
_FREE = 0x80


@dataclass(frozen=True)
class Code:
    """A code object. `variables` are its locals, arguments first; `cells` what closure instructions count."""

    layout: Layout
    name: str
    arguments: int
    keyword_only: int
    flags: int
    instructions: bytes
    constants: tuple[Any, ...]
    names: tuple[str, ...]
    variables: tuple[str, ...]
    cells: tuple[str, ...]
    free: tuple[str, ...]
    """Names among `cells` whose values come with the function, in the order of its closure."""
    handles_exceptions: bool
    """Whether a table says so; before 3.11, instructions do."""


def read_code(data: bytes) -> list[Code]:
    """The code object that `data` holds, once for each layout in which it makes sense (one, in practice).

    Raises `NotRecognised` where there is none.
    """
    if len(data) > _LARGEST_CODE:
        raise NotRecognised(f"is {len(data)} bytes of bytecode, more than {_LARGEST_CODE}")
    found = []
    for layout in Layout:
        reader = _Reader(data, layout)
        try:
            code = reader.read(0)
        except NotRecognised:
            continue
        if isinstance(code, Code) and reader.at_end:
            found.append(code)
    if not found:
        raise NotRecognised("is not a code object of Python 2.7 or 3.0 to 3.13 with plain constants in it")
    return found


class _Reader:
    def __init__(self, data: bytes, layout: Layout):
        self._data = data
        self._at = 0
        self._layout = layout
        self._objects = 0
        self._references: list[tuple[Any, int] | None] = []
        self._interned: list[str] = []
        """Python 2 counts its interned strings apart."""

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def read(self, depth: int) -> Any:
        """The object that starts here, with all that is in it."""
        if depth > _DEEPEST:
            raise NotRecognised("has constants that are nested too deeply")
        self._count(1)
        kind = self._byte()
        slot = None
        if kind & _REFERABLE and self._layout is not Layout.PYTHON27:
            kind &= ~_REFERABLE
            slot = len(self._references)
            # A place is taken before the contents are read, so that what refers to itself finds it empty.
            self._references.append(None)
        before = self._objects
        value = self._value(chr(kind), depth)
        if slot is not None:
            self._references[slot] = (value, self._objects - before + 1)
        return value

    def _value(self, kind: str, depth: int) -> Any:
        if kind in _SINGLETONS:
            return _SINGLETONS[kind]
        if kind in "()":
            length = self._int32() if kind == "(" else self._byte()
            if not 0 <= length <= len(self._data) - self._at:
                raise NotRecognised("is cut off")
            return tuple(self.read(depth + 1) for _ in range(length))
        if kind == "c":
            return self._code(depth)
        if kind == "r":
            return self._reference()
        reader = _SCALARS.get(kind)
        if reader is None:
            raise NotRecognised("has a constant that is no number, text or tuple")
        return reader(self)

    def _code(self, depth: int) -> Code:
        counts = {name: self._int32() for name in _COUNTS[self._layout]}
        if any(not 0 <= count < 1 << 31 for count in counts.values()):
            raise NotRecognised("has a negative count")
        instructions = self._expect(bytes, depth)
        constants = self._expect(tuple, depth)
        names = self._strings(depth)
        variables, cells, free = self._variables(depth)
        self._expect(str, depth)  # the file it was written in
        name = self._expect(str, depth)
        if self._layout is Layout.PYTHON311:
            self._expect(str, depth)
        self._int32()
        self._expect(bytes, depth)  # line numbers
        handlers = self._expect(bytes, depth) if self._layout is Layout.PYTHON311 else b""
        arguments, keyword_only = counts["arguments"], counts.get("keyword_only", 0)
        if arguments + keyword_only > len(variables):
            raise NotRecognised("has more arguments than variables")
        return Code(
            self._layout,
            name,
            arguments,
            keyword_only,
            counts["flags"],
            instructions,
            constants,
            names,
            variables,
            cells,
            free,
            bool(handlers),
        )

    def _variables(self, depth: int) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Locals, what closure instructions count, and those of it that come from outside."""
        first = self._strings(depth)
        if self._layout is not Layout.PYTHON311:
            free, cells = self._strings(depth), self._strings(depth)
            return first, (*cells, *free), free
        kinds = self._expect(bytes, depth)
        if len(kinds) != len(first):
            raise NotRecognised("has variables without a kind")
        free = tuple(name for name, kind in zip(first, kinds, strict=True) if kind & _FREE)
        return first, first, free

    def _strings(self, depth: int) -> tuple[str, ...]:
        items: tuple[Any, ...] = self._expect(tuple, depth)
        if not all(isinstance(item, str) for item in items):
            raise NotRecognised("has a name that is no text")
        return items

    def _expect(self, kind: type, depth: int) -> Any:
        value = self.read(depth + 1)
        if kind is bytes and isinstance(value, str) and self._layout is Layout.PYTHON27:
            value = value.encode("latin-1", "replace")
        if type(value) is not kind:
            raise NotRecognised("is no code object")
        return value

    def _reference(self) -> Any:
        number = self._int32()
        known = self._references[number] if 0 <= number < len(self._references) else None
        if known is None:
            raise NotRecognised("refers to a constant that is not there")
        value, objects = known
        # Counted anew: a few references to references would otherwise stand for more than memory holds.
        self._count(objects)
        return value

    # ---------------------------------------------------------------------------------------------- scalars

    def _count(self, objects: int) -> None:
        self._objects += objects
        if self._objects > _MOST_OBJECTS:
            raise NotRecognised(f"has more than {_MOST_OBJECTS} constants")

    def _take(self, count: int) -> bytes:
        if not 0 <= count <= len(self._data) - self._at:
            raise NotRecognised("is cut off")
        self._at += count
        return self._data[self._at - count : self._at]

    def _byte(self) -> int:
        return self._take(1)[0]

    def _int32(self) -> int:
        return int.from_bytes(self._take(4), "little", signed=True)

    def int32(self) -> int:
        return self._int32()

    def int64(self) -> int:
        return int.from_bytes(self._take(8), "little", signed=True)

    def long(self) -> int:
        digits = self._int32()
        if abs(digits) > _LONGEST_INT:
            raise NotRecognised("has an integer of too many digits")
        value = 0
        for place in range(abs(digits)):
            digit = int.from_bytes(self._take(2), "little")
            if digit >> 15:
                raise NotRecognised("has a damaged integer")
            value |= digit << (15 * place)
        return -value if digits < 0 else value

    def double(self) -> float:
        (value,) = struct.unpack("<d", self._take(8))
        return float(value)

    def bytes(self) -> bytes | str:
        data = self._take(self._int32())
        # Python 2 kept text and bytes in one type; instructions are told apart by where they stand.
        return data.decode("latin-1") if self._layout is Layout.PYTHON27 else data

    def text(self) -> str:
        return _decode(self._take(self._int32()))

    def interned(self) -> str:
        text = self.text()
        if self._layout is Layout.PYTHON27:
            self._interned.append(text)
        return text

    def interned_reference(self) -> str:
        number = self._int32()
        if not 0 <= number < len(self._interned):
            raise NotRecognised("refers to a text that is not there")
        return self._interned[number]

    def short_text(self) -> str:
        return _decode(self._take(self._byte()))


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise NotRecognised("has text that is not UTF-8") from None


_SINGLETONS: dict[str, Any] = {"N": None, "T": True, "F": False, ".": ...}
_SCALARS: dict[str, Callable[[_Reader], Any]] = {
    "i": _Reader.int32,
    "I": _Reader.int64,
    "l": _Reader.long,
    "g": _Reader.double,
    "s": _Reader.bytes,
    "u": _Reader.text,
    "a": _Reader.text,
    "A": _Reader.text,
    "t": _Reader.interned,
    "R": _Reader.interned_reference,
    "z": _Reader.short_text,
    "Z": _Reader.short_text,
}
