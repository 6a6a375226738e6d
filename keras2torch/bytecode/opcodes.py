"""The instructions of CPython that a simple function consists of, by number, for each version that differs.

Numbers and the layout of instructions are those of `Lib/opcode.py` of each version. Which Python wrote a code object is
stored nowhere: a layout of code objects narrows it down, and the rest is told by which reading makes sense.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from keras2torch.bytecode.marshalled import Layout
from keras2torch.bytecode.refusal import NotRecognised

_BRANCHES = "branches (an if, a conditional expression, `and` or `or`)"
_LOOPS = "loops over something"
_FUNCTIONS = "defines a function inside"
_SETS = "builds a dictionary or a set"
_TESTS = "tests for identity or membership"
_STORES = "changes something that it was given"
_SPREADS = "calls a function with * or ** arguments"
_TEXT = "formats text"
_RAISES = "raises an exception"
_YIELDS = "is a generator"


@dataclass(frozen=True)
class Dialect:
    """One way of reading instructions."""

    name: str
    opcodes: Mapping[int, str]
    refused: Mapping[int, str]
    """Known instructions that no expression consists of: what a function does that has them."""
    extended: int
    """The instruction that carries the upper bits of the next one's argument."""
    words: bool = True
    """Two bytes an instruction; before 3.6, three where there is an argument and one where not."""
    first_with_argument: int = 90
    caches: Mapping[str, int] = field(default_factory=dict)
    """Empty words behind an instruction, for the interpreter's own use."""


_CLASSIC = {
    1: "POP_TOP",
    2: "ROT_TWO",
    3: "ROT_THREE",
    4: "DUP_TOP",
    9: "NOP",
    10: "UNARY_POSITIVE",
    11: "UNARY_NEGATIVE",
    12: "UNARY_NOT",
    15: "UNARY_INVERT",
    19: "BINARY_POWER",
    20: "BINARY_MULTIPLY",
    22: "BINARY_MODULO",
    23: "BINARY_ADD",
    24: "BINARY_SUBTRACT",
    25: "BINARY_SUBSCR",
    26: "BINARY_FLOOR_DIVIDE",
    27: "BINARY_TRUE_DIVIDE",
    28: "BINARY_FLOOR_DIVIDE",
    29: "BINARY_TRUE_DIVIDE",
    55: "BINARY_ADD",
    56: "BINARY_SUBTRACT",
    57: "BINARY_MULTIPLY",
    59: "BINARY_MODULO",
    67: "BINARY_POWER",
    83: "RETURN_VALUE",
    92: "UNPACK_SEQUENCE",
    100: "LOAD_CONST",
    102: "BUILD_TUPLE",
    103: "BUILD_LIST",
    106: "LOAD_ATTR",
    107: "COMPARE_OP",
    108: "IMPORT_NAME",
    109: "IMPORT_FROM",
    116: "LOAD_GLOBAL",
    124: "LOAD_FAST",
    125: "STORE_FAST",
    133: "BUILD_SLICE",
    136: "LOAD_DEREF",
}
"""What kept its number from 2.7 to 3.10. In-place operators are the others here: tensors have no place."""

_CLASSIC_REFUSED = {
    60: _STORES,
    68: _LOOPS,
    80: _LOOPS,
    86: _YIELDS,
    93: _LOOPS,
    104: _SETS,
    105: _SETS,
    110: _BRANCHES,
    111: _BRANCHES,
    112: _BRANCHES,
    113: _BRANCHES,
    114: _BRANCHES,
    115: _BRANCHES,
    119: _LOOPS,
    120: _LOOPS,
    130: _RAISES,
    132: _FUNCTIONS,
    135: _FUNCTIONS,
}

_PYTHON3 = {**_CLASSIC, 16: "BINARY_MATRIX_MULTIPLY", 17: "BINARY_MATRIX_MULTIPLY"}
_PYTHON36 = {
    **_PYTHON3,
    131: "CALL_FUNCTION",
    141: "CALL_FUNCTION_KW",
    160: "LOAD_METHOD",
    161: "CALL_METHOD",
}
_PYTHON36_REFUSED = {**_CLASSIC_REFUSED, 142: _SPREADS, 155: _TEXT, 156: _SETS, 157: _TEXT}
_PYTHON38_REFUSED = {**_PYTHON36_REFUSED, 117: _TESTS, 118: _TESTS, 121: _BRANCHES}
del _PYTHON38_REFUSED[80], _PYTHON38_REFUSED[119], _PYTHON38_REFUSED[120]

_PYTHON311 = {
    1: "POP_TOP",
    2: "PUSH_NULL",
    9: "NOP",
    10: "UNARY_POSITIVE",
    11: "UNARY_NEGATIVE",
    12: "UNARY_NOT",
    15: "UNARY_INVERT",
    25: "BINARY_SUBSCR",
    82: "LIST_TO_TUPLE",
    83: "RETURN_VALUE",
    92: "UNPACK_SEQUENCE",
    99: "SWAP",
    100: "LOAD_CONST",
    102: "BUILD_TUPLE",
    103: "BUILD_LIST",
    106: "LOAD_ATTR",
    107: "COMPARE_OP",
    108: "IMPORT_NAME",
    109: "IMPORT_FROM",
    116: "LOAD_GLOBAL_NULL",
    120: "COPY",
    122: "BINARY_OP",
    124: "LOAD_FAST",
    125: "STORE_FAST",
    133: "BUILD_SLICE",
    137: "LOAD_DEREF",
    149: "NOP",  # COPY_FREE_VARS: closures are looked up by name here
    151: "RESUME",
    160: "LOAD_METHOD",
    162: "LIST_EXTEND",
    166: "PRECALL",
    171: "CALL",
    172: "KW_NAMES",
}
_PYTHON311_REFUSED = {
    60: _STORES,
    68: _LOOPS,
    86: _YIELDS,
    93: _LOOPS,
    104: _SETS,
    105: _SETS,
    110: _BRANCHES,
    111: _BRANCHES,
    112: _BRANCHES,
    114: _BRANCHES,
    115: _BRANCHES,
    117: _TESTS,
    118: _TESTS,
    128: _BRANCHES,
    129: _BRANCHES,
    130: _RAISES,
    132: _FUNCTIONS,
    135: _FUNCTIONS,
    136: _FUNCTIONS,
    140: _LOOPS,
    142: _SPREADS,
    155: _TEXT,
    156: _SETS,
    157: _TEXT,
}
_PYTHON312 = {
    **_PYTHON311,
    26: "BINARY_SLICE",
    106: "LOAD_ATTR_METHOD",
    107: "COMPARE_OP_4",
    121: "RETURN_CONST",
    127: "LOAD_FAST",
}
for _gone in (10, 82, 160, 166):
    del _PYTHON312[_gone]

_PYTHON313 = {
    4: "BINARY_SLICE",
    5: "BINARY_SUBSCR",
    30: "NOP",
    32: "POP_TOP",
    34: "PUSH_NULL",
    36: "RETURN_VALUE",
    41: "UNARY_INVERT",
    42: "UNARY_NEGATIVE",
    43: "UNARY_NOT",
    45: "BINARY_OP",
    47: "BUILD_LIST",
    50: "BUILD_SLICE",
    52: "BUILD_TUPLE",
    53: "CALL",
    57: "CALL_KW",
    58: "COMPARE_OP_5",
    61: "COPY",
    62: "NOP",
    74: "IMPORT_FROM",
    75: "IMPORT_NAME",
    81: "LIST_EXTEND",
    82: "LOAD_ATTR_METHOD",
    83: "LOAD_CONST",
    84: "LOAD_DEREF",
    85: "LOAD_FAST",
    87: "LOAD_FAST",
    88: "LOAD_FAST_LOAD_FAST",
    91: "LOAD_GLOBAL_NULL",
    103: "RETURN_CONST",
    110: "STORE_FAST",
    111: "STORE_FAST_LOAD_FAST",
    112: "STORE_FAST_STORE_FAST",
    115: "SWAP",
    117: "UNPACK_SEQUENCE",
    149: "RESUME",
}
_PYTHON313_REFUSED = {
    11: _LOOPS,
    19: _LOOPS,
    26: _FUNCTIONS,
    39: _STORES,
    40: _BRANCHES,
    46: _SETS,
    48: _SETS,
    49: _SETS,
    51: _TEXT,
    54: _SPREADS,
    59: _TESTS,
    60: _TEXT,
    72: _LOOPS,
    76: _TESTS,
    77: _LOOPS,
    78: _LOOPS,
    79: _BRANCHES,
    94: _FUNCTIONS,
    97: _BRANCHES,
    98: _BRANCHES,
    99: _BRANCHES,
    100: _BRANCHES,
    101: _RAISES,
    118: _YIELDS,
}

DIALECTS: Mapping[Layout, tuple[Dialect, ...]] = {
    Layout.PYTHON27: (
        Dialect(
            "2.7",
            {
                **_CLASSIC,
                21: "BINARY_CLASSIC_DIVIDE",
                58: "BINARY_CLASSIC_DIVIDE",
                30: "SLICE_0",
                31: "SLICE_1",
                32: "SLICE_2",
                33: "SLICE_3",
                131: "CALL_FUNCTION_COUNTED",
            },
            {**_CLASSIC_REFUSED, 134: _FUNCTIONS, 140: _SPREADS, 141: _SPREADS, 142: _SPREADS},
            extended=145,
            words=False,
        ),
    ),
    Layout.PYTHON30: (
        Dialect(
            "3.0 to 3.5",
            {**_PYTHON3, 131: "CALL_FUNCTION_COUNTED"},
            {**_CLASSIC_REFUSED, 134: _FUNCTIONS, 140: _SPREADS, 141: _SPREADS, 142: _SPREADS},
            extended=144,
            words=False,
        ),
        Dialect("3.6 or 3.7", _PYTHON36, _PYTHON36_REFUSED, extended=144),
    ),
    Layout.PYTHON38: (
        Dialect(
            "3.8 to 3.10",
            {**_PYTHON36, 82: "LIST_TO_TUPLE", 162: "LIST_EXTEND"},
            _PYTHON38_REFUSED,
            extended=144,
        ),
    ),
    Layout.PYTHON311: (
        Dialect(
            "3.11",
            _PYTHON311,
            {**_PYTHON311_REFUSED, **dict.fromkeys((173, 174, 175, 176), _BRANCHES)},
            extended=144,
            caches={
                "BINARY_SUBSCR": 4,
                "LOAD_GLOBAL_NULL": 5,
                "LOAD_ATTR": 4,
                "COMPARE_OP": 2,
                "LOAD_METHOD": 10,
                "UNPACK_SEQUENCE": 1,
                "BINARY_OP": 1,
                "PRECALL": 1,
                "CALL": 4,
            },
        ),
        Dialect(
            "3.12",
            _PYTHON312,
            {**_PYTHON311_REFUSED, 4: _LOOPS},
            extended=144,
            caches={
                "BINARY_SUBSCR": 1,
                "LOAD_GLOBAL_NULL": 4,
                "LOAD_ATTR_METHOD": 9,
                "COMPARE_OP_4": 1,
                "UNPACK_SEQUENCE": 1,
                "BINARY_OP": 1,
                "CALL": 3,
            },
        ),
        Dialect(
            "3.13",
            _PYTHON313,
            _PYTHON313_REFUSED,
            extended=71,
            caches={
                "BINARY_SUBSCR": 1,
                "LOAD_GLOBAL_NULL": 4,
                "LOAD_ATTR_METHOD": 9,
                "COMPARE_OP_5": 1,
                "UNPACK_SEQUENCE": 1,
                "BINARY_OP": 1,
                "CALL": 3,
            },
        ),
    ),
}

BINARY_OPERATORS = ("+", "&", "//", "<<", "@", "*", "%", "|", "**", ">>", "-", "/", "^")
"""What the argument of BINARY_OP counts; then the same again, in place."""
COMPARISONS = ("<", "<=", "==", "!=", ">", ">=")


class NotThisDialect(NotRecognised):
    """The bytes make no sense as instructions of this version."""


def instructions(code: bytes, dialect: Dialect) -> Iterator[tuple[str, int]]:
    """The instructions, as names and arguments, up to the first return, which must be the end.

    Raises `NotThisDialect` where the bytes are not such instructions, `NotRecognised` where they do what no expression
    does.
    """
    at, upper = 0, 0
    while at < len(code):
        number = code[at]
        name = dialect.opcodes.get(number)
        if dialect.words:
            argument, at = (code[at + 1] if at + 1 < len(code) else -1), at + 2
        elif number >= dialect.first_with_argument:
            argument, at = int.from_bytes(code[at + 1 : at + 3], "little"), at + 3
        else:
            argument, at = 0, at + 1
        if at > len(code):
            raise NotThisDialect(f"is no bytecode of Python {dialect.name}: it is cut off")
        argument |= upper
        if number == dialect.extended:
            upper = argument << (8 if dialect.words else 16)
            if upper >> 32:
                raise NotThisDialect(f"is no bytecode of Python {dialect.name}: an argument is too large")
            continue
        upper = 0
        if name is None:
            if number in dialect.refused:
                raise NotRecognised(dialect.refused[number])
            raise NotThisDialect(f"has an instruction ({number} of Python {dialect.name}) that is not known")
        words = dialect.caches.get(name, 0)
        if any(code[at : at + 2 * words]) or at + 2 * words > len(code):
            raise NotThisDialect(f"is no bytecode of Python {dialect.name}: a cache is not empty")
        at += 2 * words
        yield name, argument
        if name in {"RETURN_VALUE", "RETURN_CONST"}:
            break
    if at != len(code):
        raise NotRecognised("goes on after it returned")
