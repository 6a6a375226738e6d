"""The examples of the layer registry, built, saved and judged many at a time: one child a step and
library.
"""

import importlib
import traceback
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from keras2torch.layers._registry import Example, LayerRule, converts_all, rules
from keras2torch.parity.applications import application_class
from keras2torch.parity.library import Library
from keras2torch.parity.stand_ins import standing_in
from keras2torch.source.model import Generation
from tests.parity.keras_models import randomise


@cache
def examples() -> dict[str, tuple[LayerRule, Example]]:
    """Every example of every rule by a name that is also a file name."""
    return {
        f"{rule.name}-{number}": (rule, example)
        for rule in converts_all()
        for number, example in enumerate(rule.examples)
    }


def rules_of_stand_ins() -> dict[str, LayerRule]:
    """The rules of classes that neither library has, for the files in which `build_all` saves stand-ins for them."""
    generations = frozenset({Generation.TF_KERAS})
    return {
        name: replace(rule, generations=generations)
        for name, rule in rules().items()
        if not rule.generations & {Generation.TF_KERAS, Generation.KERAS3}
    }


def build_all(payload: dict[str, Any]) -> dict[str, str]:
    """Save the examples `names` that this library or a stand-in has the class for; returns what became of each.

    That is "saved" (as `<name>.h5`), "absent", or why the library refused to build it.
    """
    k = importlib.import_module(payload["library"])
    library = Library(payload["library"], k, importlib.import_module("tensorflow"))
    allow_lists_in_configs(library.name)
    answers = {}
    for name in payload["names"]:
        rule, example = examples()[name]
        stand_in = standing_in(rule.name, payload["library"])
        own = stand_in.make(library) if stand_in else _own_class(k, rule.name)
        if own is None:
            answers[name] = "absent"
            continue
        try:
            k.backend.clear_session()
            k.utils.set_random_seed(1)
            model = build(k, rule.name, own, example)
            randomise(model)
            model.save(Path(payload["folder"]) / f"{name}.h5")
            answers[name] = "saved"
        except Exception:  # noqa: BLE001  the test of this example tells it
            answers[name] = traceback.format_exc(limit=-2)
    return answers


def allow_lists_in_configs(library: str) -> None:
    """Some of Keras 3's own layers cannot be saved: a list in their configuration brings along all that tracks it."""
    if library == "keras":
        tracking = importlib.import_module("keras.src.utils.tracking")
        tracking.TrackedList.__deepcopy__ = lambda tracked, memo: deepcopy(list(tracked), memo)


def _own_class(k: Any, name: str) -> Any:
    """The library's class of that name, or None; tf_keras reads files that name classes which it exports nowhere."""
    found = getattr(k.layers, name, None) or application_class(k.__name__, name)
    if found is None and k.__name__ == "tf_keras":
        found = importlib.import_module("tf_keras.src.layers.serialization").get_builtin_layer(name)
    return found


def build(k: Any, class_name: str, layer_class: Any, example: Example) -> Any:
    """A model of that one layer, with a Masking in front where the example wants a mask."""
    dtype = "float32" if example.integers_below is None else "int32"
    dtypes = example.dtypes or (dtype,) * len(example.shapes)
    inputs = [
        k.Input(shape, batch_size=example.batch, dtype=dtype)
        for shape, dtype in zip(example.shapes, dtypes, strict=True)
    ]
    if class_name == "InputLayer":
        return k.Model(inputs, k.layers.Activation("linear")(inputs[0]))
    tensors = [
        k.layers.Masking()(tensor) if example.masked and kind == "float32" else tensor
        for tensor, kind in zip(inputs, dtypes, strict=True)
    ]
    config = dict(example.config)
    if example.inner is not None:
        inner_class, inner_config = example.inner
        config["layer"] = getattr(k.layers, inner_class)(**inner_config)
    if example.row:
        config["layers"] = [getattr(k.layers, each)(**each_config) for each, each_config in example.row]
    if example.cells:
        cells = [getattr(k.layers, cell)(**cell_config) for cell, cell_config in example.cells]
        config["cell"] = cells if len(cells) > 1 else cells[0]
    layer = layer_class(**config)
    if example.call is not None:
        result = _called(layer, tensors, example.call)
    else:
        merges = rules()[class_name].family == "merging"
        result = layer(tensors if merges or len(tensors) > 1 else tensors[0])
    if example.behind is not None:
        class_behind, config_behind = example.behind
        result = getattr(k.layers, class_behind)(**config_behind)(result)
    return k.Model(inputs, result)


def _called(layer: Any, tensors: list[Any], call: Mapping[str, Any]) -> Any:
    """What the layer yields, called as an example says."""
    named: set[int] = set()

    def given(value: Any) -> Any:
        if isinstance(value, list):
            return [given(item) for item in value]
        if isinstance(value, str) and value.startswith("#"):
            named.add(int(value[1:]))
            return tensors[int(value[1:])]
        return value

    arguments = {name: given(value) for name, value in call.items()}
    if "inputs" in arguments:
        return layer(arguments.pop("inputs"), **arguments)
    first = [tensor for number, tensor in enumerate(tensors) if not number or number not in named]
    return layer(*first, **arguments)


def run_all(payload: dict[str, Any]) -> dict[str, Any]:
    """Run one step (`module:function`) for each of `payloads` (by name); returns results, or texts of what
    was raised.
    """
    module, _, function = payload["step"].partition(":")
    step = getattr(importlib.import_module(module), function)
    answers = {}
    for name, each in payload["payloads"].items():
        try:
            answers[name] = step(each)
        except Exception:  # noqa: BLE001  the test of this example tells it
            answers[name] = traceback.format_exc(limit=-3)
    return answers
