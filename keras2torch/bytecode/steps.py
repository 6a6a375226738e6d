"""Every instruction under one name for all versions, and the walk through those of a function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from keras2torch.bytecode.machine import Machine
from keras2torch.bytecode.marshalled import Code
from keras2torch.bytecode.opcodes import Dialect, instructions
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.values import binary

_MOST_INSTRUCTIONS = 2048
_VARIADIC = 0x04 | 0x08
_GENERATOR = 0x20 | 0x80 | 0x200


def run(code: Code, dialect: Dialect, arguments: Mapping[str, Any], closure: Mapping[str, Any]) -> Any:
    """The value that the function returns: a tree, a constant, or a list of them.

    `arguments` and `closure` give the variables their values. Raises `NotRecognised`.
    """
    if code.flags & _VARIADIC:
        raise NotRecognised("takes *args or **kwargs")
    if code.flags & _GENERATOR:
        raise NotRecognised("is a generator or a coroutine")
    if code.handles_exceptions:
        raise NotRecognised("handles exceptions")
    machine = Machine(code, dialect, arguments, closure)
    for count, (name, argument) in enumerate(instructions(code.instructions, dialect)):
        if count > _MOST_INSTRUCTIONS:
            raise NotRecognised(f"is longer than {_MOST_INSTRUCTIONS} instructions")
        _STEPS[name](machine, argument)
    return machine.result()


def _classic_divide(machine: Machine, _: int) -> None:
    """Python 2: `/` of two integers rounds down, of tensors by their type."""
    right, left = machine.value(), machine.value()
    whole = isinstance(left, int) and isinstance(right, int)
    machine.push(binary("//" if whole else "/", left, right))


def _operator(sign: str) -> Callable[[Machine, int], None]:
    return lambda machine, _: machine.binary(sign)


_STEPS: Mapping[str, Callable[[Machine, int], None]] = {
    "BINARY_ADD": _operator("+"),
    "BINARY_CLASSIC_DIVIDE": _classic_divide,
    "BINARY_FLOOR_DIVIDE": _operator("//"),
    "BINARY_MATRIX_MULTIPLY": _operator("@"),
    "BINARY_MODULO": _operator("%"),
    "BINARY_MULTIPLY": _operator("*"),
    "BINARY_OP": Machine.binary_numbered,
    "BINARY_POWER": _operator("**"),
    "BINARY_SLICE": Machine.subscript_slice,
    "BINARY_SUBSCR": Machine.subscript,
    "BINARY_SUBTRACT": _operator("-"),
    "BINARY_TRUE_DIVIDE": _operator("/"),
    "BUILD_LIST": Machine.build_list,
    "BUILD_SLICE": Machine.build_slice,
    "BUILD_TUPLE": Machine.build_tuple,
    "CALL": Machine.call_method,
    "CALL_FUNCTION": Machine.call_plain,
    "CALL_FUNCTION_COUNTED": Machine.call_counted,
    "CALL_FUNCTION_KW": Machine.call_named,
    "CALL_KW": Machine.call_method_named,
    "CALL_METHOD": Machine.call_method,
    "COMPARE_OP": Machine.compare,
    "COMPARE_OP_4": Machine.compare_4,
    "COMPARE_OP_5": Machine.compare_5,
    "COPY": Machine.copy,
    "DUP_TOP": Machine.duplicate,
    "IMPORT_FROM": Machine.import_from,
    "IMPORT_NAME": Machine.import_name,
    "KW_NAMES": Machine.set_keywords,
    "LIST_EXTEND": Machine.extend_list,
    "LIST_TO_TUPLE": Machine.list_to_tuple,
    "LOAD_ATTR": Machine.load_attribute,
    "LOAD_ATTR_METHOD": Machine.load_attribute_or_method,
    "LOAD_CONST": Machine.load_constant,
    "LOAD_DEREF": Machine.load_cell,
    "LOAD_FAST": Machine.load_variable,
    "LOAD_FAST_LOAD_FAST": Machine.load_two,
    "LOAD_GLOBAL": Machine.load_global,
    "LOAD_GLOBAL_NULL": Machine.load_global_and_null,
    "LOAD_METHOD": Machine.load_method,
    "NOP": Machine.nothing,
    "POP_TOP": Machine.drop,
    "PRECALL": Machine.nothing,
    "PUSH_NULL": Machine.push_null,
    "RESUME": Machine.resume,
    "RETURN_CONST": Machine.give_back_constant,
    "RETURN_VALUE": Machine.give_back,
    "ROT_THREE": Machine.rotate_three,
    "ROT_TWO": Machine.rotate_two,
    "SLICE_0": lambda machine, _: machine.old_slice(0),
    "SLICE_1": lambda machine, _: machine.old_slice(1),
    "SLICE_2": lambda machine, _: machine.old_slice(2),
    "SLICE_3": lambda machine, _: machine.old_slice(3),
    "STORE_FAST": Machine.store_variable,
    "STORE_FAST_LOAD_FAST": Machine.store_and_load,
    "STORE_FAST_STORE_FAST": Machine.store_two,
    "SWAP": Machine.swap,
    "UNARY_INVERT": Machine.unsupported_unary,
    "UNARY_NEGATIVE": Machine.negative,
    "UNARY_NOT": Machine.unsupported_unary,
    "UNARY_POSITIVE": Machine.positive,
    "UNPACK_SEQUENCE": Machine.unpack,
}
"""What each instruction does, for every version under one name."""
