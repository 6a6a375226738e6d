"""The examples of the operations: for each, one model a library that calls it by every name that it has there."""

import importlib
import inspect
import traceback
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch.operations._registry import Dialect, Example, Given, Operation, operations
from keras2torch.operations._signature import Spelling
from tests.parity.keras_models import randomise
from tests.parity.operation_patterns import PATTERNS

DIALECTS = {"keras": (Dialect.KERAS3,), "tf_keras": (Dialect.TF, Dialect.NODE)}


def known_to(library: str) -> dict[str, Operation]:
    """The operations that this library has, by name."""
    return {
        each.name: each for each in operations() if any(each.names[dialect] for dialect in DIALECTS[library])
    }


def build_all(payload: dict[str, Any]) -> dict[str, str]:
    """Save a model of each operation in `names`; returns "saved", or why the library refused to build it."""
    library = payload["library"]
    k, tf = importlib.import_module(library), importlib.import_module("tensorflow")
    answers = {}
    for name in payload["names"]:
        try:
            k.backend.clear_session()
            k.utils.set_random_seed(1)
            if name in PATTERNS[library]:
                model = PATTERNS[library][name](k)
                randomise(model)
            else:
                model = build(k, tf, library, known_to(library)[name])
            model.save(Path(payload["folder"]) / f"{name}.h5")
            answers[name] = "saved"
        except Exception:  # noqa: BLE001  the test of this operation tells it
            answers[name] = traceback.format_exc(limit=-3)
    return answers


def build(k: Any, tf: Any, library: str, operation: Operation) -> Any:
    inputs: list[Any] = []
    outputs: list[Any] = []
    for example in operation.examples:
        dtypes = (*example.dtypes, *["float32"] * (len(example.shapes) - len(example.dtypes)))
        own = [k.Input(shape, dtype=dtype) for shape, dtype in zip(example.shapes, dtypes, strict=True)]
        used = False
        for dialect in DIALECTS[library]:
            for spelling in operation.names[dialect] if dialect in example.only else ():
                if spelling.name.startswith("__operators__.") and not isinstance(
                    example.arguments["x"], Given
                ):
                    continue  # a method of the tensor in front
                result = CALLS[dialect](k, tf, spelling, *arguments(k, spelling, example, own))
                outputs += [each for each in tf.nest.flatten(result) if each is not None]
                used = True
        inputs += own if used else []
    return k.Model(inputs, outputs)


def arguments(
    k: Any, spelling: Spelling, example: Example, inputs: Sequence[Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The example's arguments in this spelling: by position as far as they are there, then by name."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter in spelling.parameters:
        if parameter.ours not in example.arguments:
            continue
        value = filled(k, example.arguments[parameter.ours], inputs)
        if parameter.variadic:
            args += value
        elif parameter.keyword_only or len(args) < spelling.parameters.index(parameter):
            kwargs[parameter.name] = value
        else:
            args.append(value)
    return args, kwargs


def filled(k: Any, value: Any, inputs: Sequence[Any]) -> Any:
    """An argument with tensors in it for the inputs, and Python's own slices."""
    if isinstance(value, Given):
        tensor = inputs[value.number]
        if value.behind.startswith("shape"):
            sizes = importlib.import_module("tensorflow").shape(tensor)
            return sizes[int(value.behind[6:-1])] if value.behind.endswith("]") else sizes
        return tensor if value.behind == "linear" else k.layers.Activation(value.behind)(tensor)
    if isinstance(value, dict) and set(value) == {"start", "stop", "step"}:
        return slice(value["start"], value["stop"], value["step"])
    if isinstance(value, list):
        items = [filled(k, item, inputs) for item in value]
        return tuple(items) if any(isinstance(item, slice) or item is ... for item in items) else items
    return value


def call_tf(k: Any, tf: Any, spelling: Spelling, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    return reduce(getattr, spelling.name.split("."), tf)(*args, **kwargs)


def call_keras3(k: Any, tf: Any, spelling: Spelling, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    module, _, name = spelling.name.rpartition(".")
    options = {each.name for each in spelling.parameters if each.keyword_only}
    made = getattr(importlib.import_module(f"keras.src.ops.{module}"), name)(
        **{key: value for key, value in kwargs.items() if key in options}
    )
    # Keras takes whole numbers as lists, others as arrays only.
    args = [
        np.array(each, "float32") if isinstance(each, list) and has_floats(each) else each for each in args
    ]
    return made(*args, **{key: value for key, value in kwargs.items() if key not in options})


def has_floats(value: Any) -> bool:
    return any(map(has_floats, value)) if isinstance(value, list) else isinstance(value, float)


def call_node(k: Any, tf: Any, spelling: Spelling, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """A layer with a node as TensorFlow itself writes it, made in a graph of its own."""
    registry = importlib.import_module("tensorflow.python.framework.op_def_registry")
    json_format = importlib.import_module("google.protobuf.json_format")
    layers = importlib.import_module("tf_keras.src.engine.base_layer")
    tensors = [each for each in tf.nest.flatten(args) if hasattr(each, "shape")]
    with tf.Graph().as_default():
        holders = {id(each): tf.compat.v1.placeholder(each.dtype, each.shape) for each in tensors}
        function = getattr(tf.raw_ops, spelling.name)
        names = list(inspect.signature(function).parameters)
        given = dict(
            zip(names, node_arguments(registry.get(spelling.name), args, kwargs, holders), strict=False)
        )
        # TensorFlow's Python calls some attributes otherwise than its graphs do.
        made = function(**given, **{key if key in names else "axis": value for key, value in kwargs.items()})
        operation = tf.nest.flatten(made)[0].op
        constants = {
            number: each.op.get_attr("value")
            for number, each in enumerate(operation.inputs)
            if each.op.type == "Const"
        }
        node = json_format.MessageToDict(operation.node_def)
    values = {number: tf.make_ndarray(value).tolist() for number, value in constants.items()}
    layer = layers.TensorFlowOpLayer(node, f"{spelling.name}_{len(holders)}_{id(node)}", values)
    return layer(tensors if len(tensors) > 1 else tensors[0])


def node_arguments(
    definition: Any, args: Sequence[Any], kwargs: dict[str, Any], holders: dict[int, Any]
) -> Iterator[Any]:
    """The arguments of a node, one for each of its inputs, with placeholders for tensors."""
    waiting = [holders.get(id(each), each) for each in args]
    for position, each in enumerate(definition.input_arg):
        if each.number_attr:
            behind = sum(later.name not in kwargs for later in definition.input_arg[position + 1 :])
            yield waiting[: len(waiting) - behind]
            del waiting[: len(waiting) - behind]
        elif waiting:
            yield waiting.pop(0)


def signatures_that_differ(payload: dict[str, Any]) -> list[str]:
    """Spellings of TensorFlow's symbols that do not begin as the symbols themselves do."""
    tf = importlib.import_module("tensorflow")
    wrong = []
    for operation in operations():
        for spelling in operation.names[Dialect.TF]:
            function: Any = reduce(getattr, spelling.name.split("."), tf)
            real = [each.name for each in inspect.signature(function).parameters.values()]
            ours = [each.name for each in spelling.parameters]
            if real[: len(ours)] != ours:
                wrong.append(f"{spelling.name}{tuple(ours)}, but {tuple(real)}")
    return wrong


CALLS = {Dialect.TF: call_tf, Dialect.KERAS3: call_keras3, Dialect.NODE: call_node}
