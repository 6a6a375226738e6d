"""Functions compiled by every Python that wrote model files, read without running them."""

import base64
import json
import marshal  # noqa: TID251  to write what is read; nothing here reads with it
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from keras2torch.bytecode.recognise import Recognised, StoredFunction, recognise, stored_function
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import from_json, to_json
from tests.bytecode.evaluate import FakeBackend, evaluate
from tests.bytecode.functions import FUNCTIONS

COMPILED = json.loads((Path(__file__).parent / "compiled.json").read_text())


def stored(function: Callable[..., Any]) -> StoredFunction:
    """As Keras stores it."""
    cells = function.__closure__
    return StoredFunction(
        base64.encodebytes(marshal.dumps(function.__code__)).decode("ascii"),
        list(function.__defaults__) if function.__defaults__ else None,
        [cell.cell_contents for cell in cells] if cells else None,
    )


def made(source: str) -> Callable[..., Any]:
    """The function that a text of ours defines; its global K is a backend of numpy."""
    names: dict[str, Any] = {"K": FakeBackend()}
    exec(f"f = {source}" if source.startswith("lambda") else source, names)  # noqa: S102
    (function,) = [each for each in names.values() if isinstance(each, types.FunctionType)]
    return function


def read(function: Callable[..., Any], **arguments: Any) -> Recognised:
    return recognise(stored(function), arguments)


def why_not(function: Callable[..., Any], **arguments: Any) -> str:
    with pytest.raises(NotRecognised) as refusal:
        read(function, **arguments)
    return refusal.value.why


@pytest.mark.parametrize("python", sorted(COMPILED))
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_every_python_is_read_alike(python: str, name: str) -> None:
    found = recognise(StoredFunction(**COMPILED[python][name]))
    assert found.text == FUNCTIONS[name][1]
    assert len(found.pythons) == 1 or name not in {"closure", "mean"}


@pytest.mark.parametrize("python", sorted(COMPILED))
def test_the_python_is_told_from_the_bytes(python: str) -> None:
    pythons = recognise(StoredFunction(**COMPILED[python]["mean"])).pythons
    expected = {
        "2.7": "2.7",
        "3.6": "3.6 or 3.7",
        "3.7": "3.6 or 3.7",
        "3.8": "3.8 to 3.10",
        "3.9": "3.8 to 3.10",
    }
    assert pythons == (expected.get(python, "3.8 to 3.10" if python == "3.10" else python),)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"imports", "closure", "chain"}))
def test_the_tree_computes_what_the_function_computes(name: str) -> None:
    """The function is called with a backend of numpy; the tree is evaluated in TensorFlow's names."""
    source, _ = FUNCTIONS[name]
    function = made(source)
    x = np.random.default_rng(3).normal(size=(3, 7, 5, 4, 6))
    x = x[:2] if name == "distance" else x
    np.testing.assert_array_equal(evaluate(read(function).tree, x), function(x))


def test_python_35_has_instructions_of_one_and_three_bytes() -> None:
    """Assembled by hand, for no such Python is around to compile it: `x / 127.5 - K.mean(x, axis=-1)`."""
    code = _code_35(
        bytes.fromhex("7c0000 640100 1b 740000 6a0100 7c0000 640200 640300 830101 18 53"),
        b")\x04Ng" + np.float64(127.5).tobytes() + b"\xda\x04axisi" + (-1).to_bytes(4, "little", signed=True),
        b")\x02\xda\x01K\xda\x04mean",
    )
    found = recognise(StoredFunction(base64.b64encode(code).decode("ascii")))
    assert (found.text, found.pythons) == ("x / 127.5 - tf.math.reduce_mean(x, axis=-1)", ("3.0 to 3.5",))


def _code_35(instructions: bytes, constants: bytes, names: bytes) -> bytes:
    counts = b"".join(n.to_bytes(4, "little") for n in (1, 0, 1, 4, 0x43))
    size = len(instructions).to_bytes(4, "little")
    rest = b")\x01\xda\x01x)\x00)\x00\xda\x01f\xda\x08<lambda>" + (1).to_bytes(4, "little") + b"s\0\0\0\0"
    return b"\xe3" + counts + b"s" + size + instructions + constants + names + rest


def test_characters_before_keras_212() -> None:
    """The bytes as characters, which JSON then escapes."""
    raw = base64.b64decode(COMPILED["2.7"]["normalise"]["code"])
    for text in (raw.decode("raw_unicode_escape"), raw.decode("latin-1")):
        assert recognise(StoredFunction(text)).text == "x / 127.5 - 1.0"


def test_keras_3_stores_an_object() -> None:
    plain = stored(lambda x, n=3: x * n)
    value = {
        "class_name": "__lambda__",
        "config": {
            "code": plain.code,
            "defaults": {"class_name": "__tuple__", "items": [3]},
            "closure": None,
        },
    }
    assert recognise(stored_function(value)).text == "x * 3"


def test_arguments_come_before_defaults() -> None:
    assert read(lambda x, scale=2, shift=1: x * scale + shift, scale=5).text == "x * 5 + 1"
    assert read(lambda x, *, size: x / size, size=[1, 2]).text == "x / [1, 2]"


def test_a_division_of_integers_is_that_of_python_2() -> None:
    """`x * (a / b)` with a = 7 and b = 2: where integers divide into an integer, that is 3."""
    instructions = bytes.fromhex("7c0000 7c0100 7c0200 15 14 53")
    counts = b"".join(n.to_bytes(4, "little") for n in (3, 3, 3, 0x43))
    code = b"c" + counts + b"s" + len(instructions).to_bytes(4, "little") + instructions
    code += b"(\0\0\0\0(\0\0\0\0(\3\0\0\0t\1\0\0\0xt\1\0\0\0at\1\0\0\0b(\0\0\0\0(\0\0\0\0"
    code += b"s\1\0\0\0ft\1\0\0\0f\1\0\0\0s\0\0\0\0"
    found = recognise(StoredFunction(base64.b64encode(code).decode("ascii"), defaults=[7, 2]))
    assert (found.text, found.pythons) == ("x * 3", ("2.7",))


REFUSED = {
    "lambda x: custom_fn(x)": "uses the global custom_fn, whose meaning is not in the file",
    "lambda x: K.random_normal(x)": "calls keras.backend.random_normal, which draws random numbers",
    "lambda x: x + tf.random.normal(tf.shape(x))": "calls tensorflow.random.normal, which draws random numbers",
    "lambda x: K.ctc_batch_cost(x[0], x[1], x[2], x[3])": "which is a loss: only training needs it",
    "lambda x: x + tf.ones((100, 100, 100))": "makes a tensor of other than 1 to 4096 numbers",
    "lambda x: x + tf.range(1000000000)": "makes a tensor of other than 1 to 4096 numbers",
    "lambda x: x + tf.eye(0)": "makes a tensor of a size that is not known",
    "lambda x: x + K.constant([1., 2.]) / K.constant([0., 1.])": "computes constants that are none",
    "lambda x: x + K.constant([1., 2.]) * K.constant([1., 2., 3.])": "computes constants that are none",
    "lambda x: x + (K.constant(['a']) + 1)": "computes with constants that are no numbers",
    "lambda x: tf.io.write_file(x, x)": "calls tensorflow.io.write_file, which is not understood",
    "lambda x: __import__('os').system('true')": "uses the global __import__",
    "lambda x, double=True: x * 2 if double else x": "branches",
    "lambda x: x * x.device": "reads the attribute device of a tensor",
    "lambda x, *rest: x": "takes *args or **kwargs",
    "lambda x: K.mean(*x)": "calls a function with * or ** arguments",
    "lambda x: (lambda y: y)(x)": "defines a function inside",
    "lambda x: {x}": "builds a dictionary or a set",
    "lambda x: (x, x)": "returns several values",
    "lambda x: 3": "returns no tensor",
    "lambda x: x == 1": "compares tensors with ==",
    "lambda x: x in K": "tests for identity or membership",
    "lambda x: ~x": "inverts something",
    "lambda x: x << 1": "uses the operator << on a tensor",
    "lambda x: f'{x}'": "formats text",
    "lambda x, n=[1]: x * n[2]": "takes item 2 of a list of 1",
    "lambda x: x[K.abs(x)]": "takes the item a tensor of a tensor",
    "lambda x: K.map_fn(K.abs, x)": "hands keras.backend.abs to keras.backend.map_fn",
    "lambda x: K(x)": "calls the module keras.backend",
    "lambda x: x(1)": "calls something that is no function of a module",
    "lambda x: K.mean(x, what=1)": "calls keras.backend.mean with what",
    "lambda x: K.mean(x, 1, axis=2)": "calls keras.backend.mean with axis",
    "lambda x: K.relu(x, alpha=0.1, max_value=6)": "calls relu with several options",
    "lambda x, mask=None: x * mask": "reads its argument mask, which Keras sets",
    "lambda x, scale: x * scale": "reads its argument scale, which has no value",
    "lambda: 3": "takes no argument",
    "lambda x: (yield x)": "is a generator",
    "def f(x):\n    import os\n    return os.system('true')": "imports os",
    "def f(x):\n    from os import system\n    return system('true')": "imports os",
    "def f(x):\n    try:\n        return x + 1\n    except ValueError:\n        return x": "handles exceptions",
    "def f(x):\n    a, b = x + 1\n    return a + b": "takes a tensor apart along its batch axis",
    "def f(x):\n    x[0] = 1\n    return x": "changes something that it was given",
    "def f(x):\n    for each in x:\n        pass\n    return each": "loops over something",
    "def f(x):\n    raise ValueError": "uses the global ValueError",
    "def f(x):\n    return K.square(y)\n    y = 1": "reads its variable y before it has a value",
    "def f(x):\n" + "    x = x + x\n" * 9 + "    return x": "comes to more than 400",
}


@pytest.mark.parametrize("source", REFUSED)
def test_refusals_say_what_stopped_the_reading(source: str) -> None:
    assert REFUSED[source] in why_not(made(source))


def test_values_that_are_no_constants_matter_where_they_are_read() -> None:
    given = StoredFunction(stored(made("lambda x, by={}: x * 2")).code, [{"class_name": "Dense"}])
    assert recognise(given).text == "x * 2"
    read_there = StoredFunction(stored(made("lambda x, by={}: x * by")).code, [{"class_name": "Dense"}])
    with pytest.raises(NotRecognised, match="is no number, text or list"):
        recognise(read_there)


def test_a_function_that_is_kept_by_name_is_named() -> None:
    for value, kind in (("my_norm", "function"), ({"class_name": "function", "config": "my_norm"}, None)):
        with pytest.raises(NotRecognised, match="'my_norm', of which the file holds nothing but the name"):
            stored_function(value, kind)


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_tree_survives_json(name: str) -> None:
    tree = recognise(StoredFunction(**COMPILED["3.9"][name])).tree
    assert from_json(json.loads(json.dumps(to_json(tree)))) == tree
