"""The machine that follows the instructions of a function and writes down what it computes, without computing it.

The stack holds constants, names of modules and functions, and trees. Only functions that run straight through are
followed: each instruction once, to one return. Nothing is called, nothing is looked up outside the tables of `names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keras2torch.bytecode.marshalled import Code, Layout
from keras2torch.bytecode.names import BUILTINS, MODULES, full_name
from keras2torch.bytecode.opcodes import (
    BINARY_OPERATORS,
    COMPARISONS,
    Dialect,
    NotThisDialect,
)
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import GETITEM, SEVERAL, Apply, Input
from keras2torch.bytecode.values import (
    Name,
    Unknown,
    attribute_of,
    binary,
    bounded,
    call_value,
    is_tensor,
    item_of,
    number_of,
    slice_of,
)

_DEEPEST_STACK = 256
_PYTHON2_CONSTANTS = {"True": True, "False": False}


class _Null:
    """The empty place that newer Pythons keep beside what they call."""


_NULL = _Null()


class Machine:
    """The stack and the variables of one function, and what each kind of instruction does to them."""

    def __init__(
        self, code: Code, dialect: Dialect, arguments: Mapping[str, Any], closure: Mapping[str, Any]
    ):
        self._code = code
        self._dialect = dialect
        self._variables = dict(arguments)
        self._closure = closure
        self._stack: list[Any] = []
        self._returned: list[Any] = []
        self._keywords: tuple[str, ...] = ()
        """Names for the last arguments of the next call."""

    def result(self) -> Any:
        """What the function returned, once every instruction has been followed."""
        if len(self._returned) != 1 or self._stack:
            raise NotThisDialect("returns no single value")
        return self._returned[0]

    # ------------------------------------------------------------------------------------------------ the stack

    def push(self, value: Any) -> None:
        if len(self._stack) >= _DEEPEST_STACK:
            raise NotRecognised("needs too deep a stack")
        self._stack.append(value)

    def pop(self) -> Any:
        if not self._stack:
            raise NotThisDialect("takes more from its stack than is there")
        return self._stack.pop()

    def value(self) -> Any:
        """The topmost value, which is one."""
        value = self.pop()
        if isinstance(value, _Null):
            raise NotThisDialect("uses a value that is none")
        return value

    def values(self, count: int) -> list[Any]:
        if count > len(self._stack):
            raise NotThisDialect("takes more from its stack than is there")
        return [self.value() for _ in range(count)][::-1]

    def nothing(self, _: int) -> None:
        """For instructions that change nothing here."""

    def resume(self, argument: int) -> None:
        if argument:
            raise NotThisDialect("resumes somewhere else than at its start")

    def drop(self, _: int) -> None:
        self.pop()

    def swap(self, depth: int) -> None:
        if not 2 <= depth <= len(self._stack):
            raise NotThisDialect("takes more from its stack than is there")
        self._stack[-1], self._stack[-depth] = self._stack[-depth], self._stack[-1]

    def rotate_two(self, _: int) -> None:
        self.swap(2)

    def rotate_three(self, _: int) -> None:
        top = self.pop()
        if len(self._stack) < 2:
            raise NotThisDialect("takes more from its stack than is there")
        self._stack.insert(len(self._stack) - 2, top)

    def copy(self, depth: int) -> None:
        if not 1 <= depth <= len(self._stack):
            raise NotThisDialect("takes more from its stack than is there")
        self.push(self._stack[-depth])

    def duplicate(self, _: int) -> None:
        self.copy(1)

    def push_null(self, _: int) -> None:
        self.push(_NULL)

    def give_back(self, _: int) -> None:
        self._returned.append(self.value())

    def give_back_constant(self, number: int) -> None:
        self._returned.append(self.constant(number))

    # ---------------------------------------------------------------------------------- constants and variables

    def constant(self, number: int) -> Any:
        value = _item(self._code.constants, number)
        if isinstance(value, Code):
            raise NotRecognised("defines a function inside")
        return value

    def load_constant(self, number: int) -> None:
        self.push(self.constant(number))

    def load_variable(self, number: int) -> None:
        self._load(_item(self._code.variables, number))

    def load_two(self, numbers: int) -> None:
        self.load_variable(numbers >> 4)
        self.load_variable(numbers & 15)

    def store_variable(self, number: int) -> None:
        self._variables[_item(self._code.variables, number)] = self.value()

    def store_two(self, numbers: int) -> None:
        self.store_variable(numbers >> 4)
        self.store_variable(numbers & 15)

    def store_and_load(self, numbers: int) -> None:
        self.store_variable(numbers >> 4)
        self.load_variable(numbers & 15)

    def _load(self, name: str) -> None:
        if name not in self._variables:
            raise NotRecognised(f"reads its variable {name} before it has a value")
        value = self._variables[name]
        if isinstance(value, Unknown):
            raise NotRecognised(f"reads {value.why}")
        self.push(value)

    def load_cell(self, number: int) -> None:
        name = _item(self._code.cells, number)
        if name not in self._closure:
            raise NotRecognised(
                f"reads the variable {name} of the function around it, which is not in the file"
            )
        value = self._closure[name]
        if isinstance(value, Unknown):
            raise NotRecognised(f"reads {value.why}")
        self.push(value)

    def load_global(self, number: int) -> None:
        name = _item(self._code.names, number)
        if name in MODULES:
            self.push(Name(MODULES[name]))
        elif name in BUILTINS:
            self.push(Name(name))
        elif name in _PYTHON2_CONSTANTS and self._code.layout is Layout.PYTHON27:
            self.push(_PYTHON2_CONSTANTS[name])
        else:
            raise NotRecognised(f"uses the global {name}, whose meaning is not in the file")

    def load_global_and_null(self, argument: int) -> None:
        # Python 3.13 puts the empty place behind what is called, its predecessors before: a call takes either.
        if argument & 1:
            self.push(_NULL)
        self.load_global(argument >> 1)

    def load_attribute(self, number: int) -> None:
        attribute = _item(self._code.names, number)
        self.push(attribute_of(self.value(), attribute))

    def load_method(self, number: int) -> None:
        attribute = _item(self._code.names, number)
        owner = self.value()
        self.push(_NULL)
        self.push(attribute_of(owner, attribute))

    def load_attribute_or_method(self, argument: int) -> None:
        (self.load_method if argument & 1 else self.load_attribute)(argument >> 1)

    def import_name(self, number: int) -> None:
        """`import tensorflow as tf` in the function: its name says what it means better than a global's."""
        name = _item(self._code.names, number)
        from_list, level = self.value(), self.value()
        module = full_name(name.rpartition(".")[0], name.rpartition(".")[2]) if "." in name else name
        if level not in (0, -1) or module not in MODULES.values():
            raise NotRecognised(f"imports {name}")
        # Without a list of names, `import a.b` gives a; only an alias walks on, by attributes, to b.
        self.push(Name(module if from_list else name.split(".", maxsplit=1)[0]))

    def import_from(self, number: int) -> None:
        module = self.value()
        self.push(module)
        self.push(attribute_of(module, _item(self._code.names, number)))

    # ------------------------------------------------------------------------------------------------ operators

    def binary(self, sign: str) -> None:
        right, left = self.value(), self.value()
        self.push(binary(sign, left, right))

    def binary_numbered(self, number: int) -> None:
        if number >= 2 * len(BINARY_OPERATORS):
            raise NotThisDialect("has an operator that is not known")
        self.binary(BINARY_OPERATORS[number % len(BINARY_OPERATORS)])

    def compare(self, number: int) -> None:
        if number >= len(COMPARISONS):
            raise NotRecognised("tests for identity or membership")
        self.binary(COMPARISONS[number])

    def compare_4(self, argument: int) -> None:
        self.compare(argument >> 4)

    def compare_5(self, argument: int) -> None:
        self.compare(argument >> 5)

    def negative(self, _: int) -> None:
        value = self.value()
        if is_tensor(value):
            self.push(Apply("math.negative", (value,)))
        else:
            self.push(-number_of(value))

    def positive(self, _: int) -> None:
        value = self.value()
        self.push(value if is_tensor(value) else +number_of(value))

    def unsupported_unary(self, _: int) -> None:
        raise NotRecognised("inverts something with `not` or `~`")

    # -------------------------------------------------------------------------------- subscripts and collections

    def subscript(self, _: int) -> None:
        place, owner = self.value(), self.value()
        self.push(item_of(owner, place))

    def subscript_slice(self, _: int) -> None:
        stop, start, owner = self.value(), self.value(), self.value()
        self.push(item_of(owner, slice_of(start, stop, None)))

    def old_slice(self, kind: int) -> None:
        """Python 2: `x[:]`, `x[a:]`, `x[:b]` and `x[a:b]` have instructions of their own."""
        stop = self.value() if kind & 2 else None
        start = self.value() if kind & 1 else None
        owner = self.value()
        self.push(item_of(owner, slice_of(start, stop, None)))

    def build_slice(self, count: int) -> None:
        if count not in (2, 3):
            raise NotThisDialect("builds a slice of other than two or three numbers")
        start, stop, *step = self.values(count)
        self.push(slice_of(start, stop, step[0] if step else None))

    def build_tuple(self, count: int) -> None:
        self.push(bounded(tuple(self.values(count))))

    def build_list(self, count: int) -> None:
        self.push(bounded(self.values(count)))

    def extend_list(self, depth: int) -> None:
        added, owner = self.value(), self.value()
        if depth != 1 or not isinstance(owner, list) or not isinstance(added, list | tuple):
            raise NotRecognised("extends something that is no list of constants")
        self.push(bounded([*owner, *added]))

    def list_to_tuple(self, _: int) -> None:
        value = self.value()
        if not isinstance(value, list):
            raise NotThisDialect("makes a tuple of something that is no list")
        self.push(tuple(value))

    def unpack(self, count: int) -> None:
        value = self.value()
        if isinstance(value, list | tuple):
            if len(value) != count:
                raise NotRecognised(f"takes {len(value)} values apart into {count}")
            items = list(value)
        elif isinstance(value, Input) or (isinstance(value, Apply) and value.symbol in SEVERAL):
            items = [Apply(GETITEM, (value, number)) for number in range(count)]
        else:
            raise NotRecognised("takes a tensor apart along its batch axis")
        for item in reversed(items):
            self.push(item)

    # ---------------------------------------------------------------------------------------------------- calls

    def call_counted(self, argument: int) -> None:
        """Before 3.6, names and values of named arguments alternate on the stack."""
        pairs = self.values(2 * (argument >> 8))
        named = dict(zip(map(_text, pairs[::2]), pairs[1::2], strict=True))
        positional = self.values(argument & 0xFF)
        self.push(call_value(self.value(), positional, named))

    def call_plain(self, count: int) -> None:
        positional = self.values(count)
        self.push(call_value(self.value(), positional, {}))

    def call_named(self, count: int) -> None:
        names = self._names(self.value())
        self.push(self._called(names, self.values(count), self.value()))

    def call_method(self, count: int) -> None:
        """Also every call since 3.11."""
        names, self._keywords = self._keywords, ()
        given = self.values(count)
        self.push(self._called(names, given, self._callee()))

    def call_method_named(self, count: int) -> None:
        names = self._names(self.value())
        given = self.values(count)
        self.push(self._called(names, given, self._callee()))

    def set_keywords(self, number: int) -> None:
        self._keywords = self._names(self.constant(number))

    def _callee(self) -> Any:
        """What is called, from the two places that are kept for it and its owner."""
        pair = [value for value in (self.pop(), self.pop()) if not isinstance(value, _Null)]
        if len(pair) != 1:
            raise NotThisDialect("calls two things at once")
        return pair[0]

    def _called(self, names: tuple[str, ...], given: list[Any], function: Any) -> Any:
        if len(names) > len(given):
            raise NotThisDialect("names more arguments than there are")
        first = len(given) - len(names)
        return call_value(function, given[:first], dict(zip(names, given[first:], strict=True)))

    @staticmethod
    def _names(value: Any) -> tuple[str, ...]:
        if not isinstance(value, tuple) or len(set(map(str, value))) != len(value):
            raise NotThisDialect("names arguments with something that is no tuple")
        return tuple(_text(item) for item in value)


def _item(items: tuple[Any, ...], number: int) -> Any:
    if not 0 <= number < len(items):
        raise NotThisDialect("refers to a name or constant that is not there")
    return items[number]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise NotThisDialect("names an argument with something that is no text")
    return value
