"""Nothing that a model file says becomes code, Markdown or a second line."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest

from keras2torch import convert, inspect
from keras2torch.errors import Keras2TorchError, UnsupportedModel
from tests.crafted import call, functional, layer, numbers, write_model

HOSTILE = [
    '"); import os; os.system("touch /tmp/pwned"); ("',
    '"""\nimport os\n"""',
    "'''\nimport os\n'''",
    "quote \" and ' and `backtick`",
    'back\\slash \\" \\N{BULLET} \\',
    '"' * 7,
    '\\"""',
    "new\nline\r\nand\x0bform\x0cfeed\x1c\x85\u2028\u2029",
    "\x1b[31mred\x1b[0m\x07\x9b",
    "\u202egnp.exe",
    "x = __import__('os')",
    "{0.__class__.__mro__}{}%s%n",
    "# not a comment",
    "![pixel](http://example.org/x.png) <script>alert(1)</script> [a](javascript:alert(1))",
    "| a | b |\n|---|---|\n| `c` | ``d`` |",
    "__class__",
    "self",
    "ａｂｃ ｔｏｒｃｈ",  # wide letters
    "\ud800",
    "x" * 3000,
]
"""Names of a model, a layer, an input and a file."""


def hostile_model(path: Path, name: str) -> Path:
    """A model whose every name is `name` or begins with it."""
    layers = [
        layer("InputLayer", name + "0", batch_input_shape=[None, 4, 4, 2]),
        layer("Conv2D", name + "1", call(name + "0"), filters=2, kernel_size=3, activation="relu"),
        layer("Flatten", name + "2", call(name + "1")),
        layer("Dense", name + "3", call(name + "2"), units=2),
        layer("Activation", name, call(name + "3"), activation="softmax"),
    ]
    config = functional(layers, [[name + "0", 0, 0]], [[name, 0, 0]], name=name)
    weights = {
        name + "1": {"kernel": numbers(3, 3, 2, 2), name: numbers(2)},
        name + "3": {"kernel": numbers(8, 2), name: numbers(2)},
    }
    return write_model(path, config, weights)


@pytest.fixture(params=HOSTILE, ids=lambda name: ascii(name)[:20])
def hostile(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def in_hdf5(name: str) -> str:
    """`name` as far as HDF5 can hold it."""
    return name.replace("/", "|").replace("\ud800", "\ufffd")


def test_the_emitted_file_holds_nothing_but_what_rules_write(tmp_path: Path, hostile: str) -> None:
    name = in_hdf5(hostile)
    file = f"{name[:50]}.h5".replace("\n", "\\n") if len(name) < 100 else "m.h5"
    bundle = convert(hostile_model(tmp_path / file, name), tmp_path / "out").path
    text = (bundle / "model.py").read_text(encoding="utf-8")
    tree = ast.parse(text)
    [model] = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert [node.name for node in model.body if isinstance(node, ast.FunctionDef)] == ["__init__", "forward"]
    docstring = ast.get_docstring(tree)
    assert docstring is not None
    assert docstring.count("\n") == 5  # a title, an input, an output
    assert docstring.isprintable() or all(line.isprintable() for line in docstring.split("\n"))


def test_the_model_card_is_plain(tmp_path: Path, hostile: str) -> None:
    name = in_hdf5(hostile)
    bundle = convert(hostile_model(tmp_path / "m.h5", name), tmp_path / "out").path
    card = (bundle / "README.md").read_text(encoding="utf-8")
    assert all(line.isprintable() for line in card.split("\n"))
    outside = re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", card, flags=re.DOTALL))
    assert "`" not in outside
    for mark in ("http", "<", "![", "](", "javascript", "import os"):
        assert mark not in outside
    rows = [line for line in card.split("\n") if line.startswith("| ")]
    assert all(line.count("`") == 4 for line in rows if "`" in line)
    bars = [len(re.findall(r"(?<!\\)\|", line)) for line in rows]
    assert bars == [6] * 3 + [5] * 5  # two tables, no cell torn apart


def test_refusals_name_the_layer_in_one_line(tmp_path: Path, hostile: str) -> None:
    name = in_hdf5(hostile)

    def refused(entry: dict[str, Any]) -> Keras2TorchError:
        layers = [layer("InputLayer", "in", batch_input_shape=[None, 4]), entry]
        inputs = [["in", 0, 0], *([] if entry["inbound_nodes"] else [[name, 0, 0]])]
        path = write_model(tmp_path / "m.h5", functional(layers, inputs, [[name, 0, 0]], name=name), {})
        with pytest.raises(Keras2TorchError) as caught:
            convert(path, tmp_path / "out")
        return caught.value

    for error in (
        refused(layer(name, name, call("in"))),
        refused(layer("Dense", name, call("in"), units=3, **{name: name})),
        refused(layer("Dense", name, call("in"), units=name)),
        refused(layer("Activation", name, call("in"), activation=name)),
        refused(layer("Dense", name, call("in"), units=3, dtype=name)),
        refused(layer("Dense", name, call(name + "!"))),
        refused(layer("InputLayer", name, batch_input_shape=[None, 3], input_dtype=name)),
        refused(layer("Dense", name, call("in", **{name: name}), units=3)),
        refused(layer("Dense", name, call("in"), units=3)),  # its weights are missing
    ):
        assert str(error).isprintable()
        assert len(str(error)) < 2500
        assert str(error).startswith(f"{tmp_path}/m.h5: ")
        if isinstance(error, UnsupportedModel):
            assert all(str(reason).isprintable() for reason in error.reasons)
    assert not (tmp_path / "out").exists()


def test_an_inspection_keeps_the_names_as_they_are(tmp_path: Path) -> None:
    name = HOSTILE[0].replace("/", "|")
    found = inspect(hostile_model(tmp_path / "m.h5", name))
    assert (found.name, found.convertible) == (name, True)
