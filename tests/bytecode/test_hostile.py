"""Bytes nobody vouches for: read or refused, in bounded time and memory, and nothing else."""

import base64
import json
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras2torch.bytecode.marshalled import read_code
from keras2torch.bytecode.recognise import Recognised, StoredFunction, recognise
from keras2torch.bytecode.refusal import NotRecognised

COMPILED = json.loads((Path(__file__).parent / "compiled.json").read_text())
FUNCTIONS = [function for python in COMPILED.values() for function in python.values()]
SAMPLES = [base64.b64decode(function["code"]) for function in FUNCTIONS]


def attempt(data: bytes, **values: object) -> Recognised | str:
    """What comes of it; anything raised but a refusal fails the test."""
    try:
        found = recognise(StoredFunction(base64.b64encode(data).decode("ascii"), **values))
    except NotRecognised as refusal:
        return refusal.why
    assert len(found.text) < 1 << 20
    return found


@settings(max_examples=400, deadline=1000)
@given(st.data())
def test_changed_bytes_are_read_or_refused(data: st.DataObject) -> None:
    function = data.draw(st.sampled_from(FUNCTIONS))
    code = bytearray(base64.b64decode(function["code"]))
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(code) - 1))
        kind = data.draw(st.sampled_from(["set", "cut", "insert", "flip", "huge", "again"]))
        if kind == "set":
            code[place] = data.draw(st.integers(0, 255))
        elif kind == "flip":
            code[place] ^= 1 << data.draw(st.integers(0, 7))
        elif kind == "cut":
            del code[place : place + data.draw(st.integers(1, 8))]
        elif kind == "insert":
            code[place:place] = data.draw(st.binary(min_size=1, max_size=8))
        elif kind == "huge":
            code[place : place + 4] = b"\xff\xff\xff\x7f"
        else:
            code[place:place] = code[place : place + data.draw(st.integers(1, 40))]
        if not code:
            return
    attempt(bytes(code), defaults=function["defaults"], closure=function["closure"])


@settings(max_examples=200, deadline=1000)
@given(st.binary(max_size=300))
def test_any_instructions_are_read_or_refused(instructions: bytes) -> None:
    for sample in (SAMPLES[0], SAMPLES[-1]):
        (code,) = read_code(sample)
        at = sample.index(code.instructions)
        size = struct.pack("<i", len(instructions))
        attempt(sample[: at - 4] + size + instructions + sample[at + len(code.instructions) :])


@settings(max_examples=100, deadline=1000)
@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    for code in (text, "c" + text, "\xe3" + text):
        with pytest.raises(NotRecognised):
            recognise(StoredFunction(code))


def code_object(constants: bytes, instructions: bytes = b"d\x00S\x00") -> bytes:
    """A function of Python 3.8 with these constants; without more, it returns the first of them."""
    counts = struct.pack("<6i", 1, 0, 0, 1, 9, 0x43)
    rest = b")\x00)\x01z\x01x)\x00)\x00z\x01fz\x01f" + struct.pack("<i", 1) + b"s\0\0\0\0"
    return b"\xe3" + counts + b"s" + struct.pack("<i", len(instructions)) + instructions + constants + rest


def bounded(data: bytes, expected: str) -> None:
    tracemalloc.start()
    try:
        start = time.monotonic()
        result = attempt(data)
        assert time.monotonic() - start < 5
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(result, str)
    assert expected in result


NO_CODE = "is not a code object"


def test_a_sound_constant_is_read() -> None:
    """The helper of the tests below makes functions that are understood but for what each test puts in."""
    assert attempt(code_object(b")\x01i\x02\0\0\0")) == "f returns no tensor"
    found = attempt(code_object(b")\x01i\x02\0\0\0", b"|\x00d\x00\x14\x00S\x00"))
    assert isinstance(found, Recognised)
    assert found.text == "x * 2"


def test_references_to_references_are_counted() -> None:
    layers = b"\xa9\x0a" + b"N" * 10
    for number in range(1, 12):
        layers += b"\xa9\x0a" + (b"r" + struct.pack("<i", number)) * 10
    bounded(code_object(b")\x0c" + layers), NO_CODE)


@pytest.mark.parametrize(
    "constants",
    [
        b"\xa9\x01r\x01\0\0\0",  # a tuple that holds itself
        b")\x01r\x00\0\0\0",  # the code object itself
        b")\x01r\xff\xff\xff\x7f",
        b")\x01" * 5000,
        b"(\xff\xff\xff\x7f",
        b"(\xff\xff\xff\xff",
        b")\x01s\xff\xff\xff\x7f",
        b")\x01l\xff\xff\xff\x7f",
        b")\x01l\x00\x00\x00\x80",
        b")\x01[\x01\0\0\0N",
        b")\x01{NN0",
        b")\x01<\x01\0\0\0N",
        b")\x01y" + b"\0" * 16,
        b")\x01S",
        b")\x010",
        b")\x01z\x02\xff\xff",
    ],
    ids=lambda constants: constants[:8].hex(),
)
def test_constants_that_no_function_needs_are_refused(constants: bytes) -> None:
    bounded(code_object(constants), NO_CODE)


def test_a_function_that_doubles_its_value_is_refused() -> None:
    doubling = b"|\x00|\x00\x17\x00}\x00" * 200
    bounded(code_object(b")\x00", doubling + b"|\x00S\x00"), "comes to more than")
    tuples = b"|\x00|\x00f\x02}\x00" * 200
    bounded(code_object(b")\x00", tuples + b"|\x00S\x00"), "builds too long a list")


def test_numbers_stay_small() -> None:
    """9 ** 9 ** 9, and squaring again and again."""
    nine = b")\x01i\x09\0\0\0"
    bounded(code_object(nine, b"d\x00d\x00d\x00\x13\x00\x13\x00S\x00"), "out of bounds")
    bounded(code_object(nine, b"d\x00" + b"\x04\x00\x14\x00" * 60 + b"S\x00"), "out of bounds")


def test_long_functions_and_deep_stacks_are_refused() -> None:
    bounded(code_object(b")\x00", b"\x09\x00" * 30000 + b"|\x00S\x00"), "is longer than")
    bounded(code_object(b")\x00", b"|\x00" * 1000 + b"S\x00"), "too deep a stack")
    bounded(code_object(b")\x00" + b"N" * 70000), "bytes of bytecode")


def test_names_of_a_file_stay_short() -> None:
    """A chain of long attributes would be copied again and again."""
    names = b")\x02z\x01Kz\xff" + b"a" * 255
    counts = struct.pack("<6i", 1, 0, 0, 1, 9, 0x43)
    instructions = b"t\x00" + b"j\x01" * 1000 + b"S\x00"
    rest = b")\x00" + names + b")\x01z\x01x)\x00)\x00z\x01fz\x01f" + struct.pack("<i", 1) + b"s\0\0\0\0"
    code = b"\xe3" + counts + b"s" + struct.pack("<i", len(instructions)) + instructions + rest
    bounded(code, "endless name")
