"""Inputs 26 to 31: configurations that would have Keras run something, read something or load something."""

import base64
from pathlib import Path
from typing import Any

from tests.crafted import Config, call, functional, layer, numbers, sequential, write_model
from tests.hostile.attacks import CONVERTS, Attack, hostile

CODE = base64.b64encode(b"\xe3" + bytes(40) + b"os.system").decode()
"""Marshalled bytes, as far as their first one says."""
FUNCTION = [CODE, None, None]
SHAPE = [None, 4, 4]


def attack(folder: Path, name: str, entry: Config, words: str = "hostile") -> Attack:
    """A file with `entry` behind an input; nothing of it may be run, looked up or opened."""
    inbound = {"inbound_nodes": [call("in")]}
    layers = [layer("InputLayer", "in", batch_input_shape=SHAPE), {**entry, **inbound}]
    config = functional(layers, [["in", 0, 0]], [[entry["name"], 0, 0]])
    path = write_model(folder / f"{len(list(folder.iterdir()))}.h5", config, {})
    return Attack(name, path, "unsupported-model", (words,))


def entry(class_name: str, **config: Any) -> Config:
    return layer(class_name, "hostile", **config)


def lambda_layer(name: str = "hostile", **config: Any) -> Config:
    return layer("Lambda", name, **{"function": FUNCTION, "function_type": "lambda", "module": "os"} | config)


def plain(class_name: str, **config: Any) -> Config:
    return {"class_name": class_name, "config": config}


@hostile(26, "Lambda with bytecode: alone, nested, wrapped, as an option")
def bytecode(folder: Path) -> list[Attack]:
    inner = sequential(lambda_layer("inner"))
    return [
        attack(folder, "alone", lambda_layer()),
        attack(folder, "no base64", lambda_layer(function=["\x00\xff!", None, None])),
        attack(folder, "by name", lambda_layer(function="system", function_type="function")),
        attack(folder, "nested", {**inner, "name": "sequential"}, "inner"),
        attack(folder, "TimeDistributed", entry("TimeDistributed", layer=lambda_layer("inner"))),
        attack(
            folder, "Bidirectional", entry("Bidirectional", layer=lambda_layer("inner"), merge_mode="sum")
        ),
        attack(folder, "as activation", entry("Activation", activation=plain("Lambda", function=FUNCTION))),
        attack(
            folder,
            "output_shape",
            lambda_layer(output_shape=FUNCTION, output_shape_type="lambda"),
        ),
        attack(folder, "mask", lambda_layer(mask=FUNCTION, mask_type="lambda")),
        attack(folder, "Merge", entry("Merge", mode=FUNCTION, mode_type="lambda"), "Merge"),
    ]


@hostile(27, "TFOpLambda that writes, deletes, downloads or calls Python")
def operations(folder: Path) -> list[Attack]:
    functions = (
        "io.write_file", "io.read_file", "io.gfile.rmtree", "io.gfile.makedirs", "py_function", "numpy_function",
        "keras.utils.get_file", "saved_model.load", "__class__.__mro__", "raw_ops.WriteFile",
    )  # fmt: skip
    return [attack(folder, function, entry("TFOpLambda", function=function)) for function in functions]


@hostile(28, "TensorFlowOpLayer with ReadFile, WriteFile, PyFunc, or bytes that are none")
def node_defs(folder: Path) -> list[Attack]:
    definitions: dict[str, Any] = {
        "ReadFile": {"name": "x", "op": "ReadFile", "input": ["a"]},
        "WriteFile": {"name": "x", "op": "WriteFile", "input": ["a", "b"]},
        "PyFunc": {"name": "x", "op": "PyFunc", "input": ["a"], "attr": {"token": {"s": "cHlmdW5j"}}},
        "bytes": base64.b64encode(bytes(range(256))).decode(),
        "number": 7,
    }
    return [
        attack(folder, name, entry("TensorFlowOpLayer", node_def=definition, constants={}))
        for name, definition in definitions.items()
    ]


@hostile(29, "activations, initializers, regularizers that name os.system, eval, a lambda")
def objects(folder: Path) -> list[Attack]:
    named: dict[str, Any] = {
        "os.system": {
            "module": "os",
            "class_name": "function",
            "config": "system",
            "registered_name": "function",
        },
        "eval": {
            "module": "builtins",
            "class_name": "function",
            "config": "eval",
            "registered_name": "function",
        },
        "lambda": {"class_name": "__lambda__", "config": {"value": CODE}},
        "typespec": {"class_name": "__typespec__", "spec_name": "os.system", "config": ["id"]},
        "text": "os.system",
        "dunder": "__import__",
        "builtin": "eval",
    }
    ignored = {
        f"{what}_{kind}": named["os.system"]
        for what in ("kernel", "bias", "activity")
        for kind in ("initializer", "regularizer", "constraint")
        if what != "activity" or kind == "regularizer"
    }
    model = sequential(layer("Dense", "d", units=2, batch_input_shape=[None, 3], **ignored))
    path = write_model(folder / "ignored.h5", model, {"d": {"kernel": numbers(3, 2), "bias": numbers(2)}})
    return [
        *(attack(folder, name, entry("Activation", activation=value)) for name, value in named.items()),
        Attack("not looked at", path, CONVERTS),
    ]


@hostile(30, "vocabularies that are paths or addresses")
def vocabularies(folder: Path) -> list[Attack]:
    places = ("/etc/passwd", "http://169.254.169.254/latest/meta-data", "s3://bucket/key", "../../secret")
    return [
        attack(folder, f"{class_name} {place}", entry(class_name, vocabulary=place))
        for class_name in ("StringLookup", "IntegerLookup", "TextVectorization")
        for place in places
    ]


@hostile(31, "layers that load other models, and classes of strangers")
def loaders(folder: Path) -> list[Attack]:
    return [
        attack(folder, "TFSMLayer", entry("TFSMLayer", filepath="/tmp/evil", call_endpoint="serve")),
        attack(folder, "TorchModuleWrapper", entry("TorchModuleWrapper", module="gASVHAAAAAAAAACMBXBvc2l4")),
        attack(folder, "JaxLayer", entry("JaxLayer", call_fn=CODE)),
        attack(folder, "FlaxLayer", entry("FlaxLayer", module=CODE)),
        attack(folder, "package>Name", entry("evil>Layer", x=1)),
        attack(folder, "os.system", entry("os.system")),
        attack(folder, "no such", entry("NoSuchLayer")),
    ]
