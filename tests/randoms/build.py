"""Recipes become Keras models; runs in a sandbox child that has preloaded one of the two libraries."""

import importlib
import json
import traceback
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np

from tests.parity.keras_models import random_inputs, randomise
from tests.parity.registry_models import allow_lists_in_configs
from tests.randoms.grow import grow
from tests.randoms.recipe import Recipe, Ref, Step, decoded

MOST_ELEMENTS = 20_000


class TooLarge(ValueError):
    """A tensor that would cost more time than it is worth."""


class Builder:
    """Runs steps, one after the other, and knows what they yielded."""

    def __init__(self, library: str) -> None:
        self.library = library
        self.k: Any = importlib.import_module(library)
        self.tf: Any = importlib.import_module("tensorflow")
        self.layers: dict[int, Any] = {}
        self.tensors: list[list[Any]] = []

    def run(self, step: Step) -> Step:
        """Do the step; returns it with shapes and dtypes. Raises whatever Keras raises."""
        number = len(self.tensors)
        if "input" in step:
            result = self.k.Input(
                tuple(step["input"]["shape"]),
                batch_size=step["input"].get("batch"),
                dtype=step["input"]["dtype"],
                name=step["input"]["name"],
            )
        else:
            if "layer" in step:
                self.layers[number] = self.layer(step["layer"])
            result = self.result(number, step, self.tensors)
        tensors = self.tf.nest.flatten(result)
        shapes = [list(tensor.shape) for tensor in tensors]
        for shape in shapes:
            # Open extents get some forty elements.
            if np.prod([40 if extent is None else extent for extent in shape[1:]]) > MOST_ELEMENTS:
                raise TooLarge(str(shape))
        self.tensors.append(tensors)
        return step | {"shapes": shapes, "dtypes": [_dtype(tensor) for tensor in tensors]}

    def result(self, number: int, step: Step, tensors: Sequence[Sequence[Any]]) -> Any:
        """What the layer or operation of that step yields for these tensors, one list a step."""
        args, kwargs = self._decoded(step["on"], tensors), self._decoded(step["call"], tensors)
        if "operation" not in step:
            return self.layers[step.get("again", number)](*args, **kwargs)
        if self.library == "tf_keras":
            return reduce(getattr, step["operation"].split("."), self.tf)(*args, **kwargs)
        module, _, name = step["operation"].rpartition(".")
        operation: Any = getattr(importlib.import_module(f"keras.src.ops.{module}"), name)
        # Keras takes whole numbers as lists, others as arrays only.
        args = [np.array(each, "float32") if _has_floats(each) else each for each in args]
        return operation(**self._decoded(step["options"], tensors))(*args, **kwargs)

    def model(self, recipe: Recipe, name: str | None = None) -> Any:
        """The model; the recipe then holds the shapes as they are."""
        steps = recipe["steps"] = [self.run(step) for step in recipe["steps"]]
        if recipe.get("sequential"):
            layers = [self.layers[number] for number in range(1, len(steps))]
            return self.k.Sequential([self.tensors[0][0], *layers], name=name)
        inputs = [self.tensors[number][0] for number, step in enumerate(steps) if "input" in step]
        outputs = [self.tensors[step][number] for step, number in recipe["outputs"]]
        one = len(outputs) == 1
        return self.k.Model(
            inputs[0] if len(inputs) == 1 else inputs, outputs[0] if one else outputs, name=name
        )

    def layer(self, spec: Any) -> Any:
        if "model" in spec:
            return Builder(self.library).model(spec["model"], spec["name"])
        return getattr(self.k.layers, spec["class"])(**self._decoded(spec["config"]))

    def _decoded(self, value: Any, tensors: Sequence[Sequence[Any]] = ()) -> Any:
        def tensor(each: Ref) -> Any:
            return tensors[each[0]][each[1]]

        return decoded(value, tensor, self.layer)


def _has_floats(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, float) or _has_floats(each) for each in value)


def _dtype(tensor: Any) -> str:
    dtype = tensor.dtype
    return dtype if isinstance(dtype, str) else str(dtype.name)


def build_all(payload: dict[str, Any]) -> dict[str, Any]:
    """Build and save the recipe `<name>.json` of each of `names`, or one drawn from the seed that the name is.

    Returns how each was saved (see `judge`), or why it could not be. Recipes stand in the folder then, with shapes.
    """
    folder = Path(payload["folder"])
    k = importlib.import_module(payload["library"])
    allow_lists_in_configs(payload["library"])
    answers: dict[str, Any] = {}
    for name in payload["names"]:
        try:
            path = folder / f"{name}.json"
            if not path.exists():
                k.backend.clear_session()
                k.utils.set_random_seed(1)
                recipe = grow(Builder(payload["library"]), int(name))
                path.write_text(json.dumps(recipe), encoding="utf-8")
            recipe = json.loads(path.read_text(encoding="utf-8"))
            k.backend.clear_session()
            k.utils.set_random_seed(1)
            model = Builder(payload["library"]).model(recipe)
            path.write_text(json.dumps(recipe), encoding="utf-8")
            randomise(model)
            answers[name] = _save(model, folder, name, recipe.get("saved_as", "h5"))
            answers[name]["io_layout"] = recipe.get("io_layout", "torch")
        except Exception:  # noqa: BLE001  whoever asked tells it
            answers[name] = traceback.format_exc(limit=-3)
    return answers


def _run(library: str, recipe: Recipe) -> str:
    """Says "runs", or what Keras raises when it is given numbers, of three samples and of two."""
    try:
        model = Builder(library).model(json.loads(json.dumps(recipe)))
        inputs = random_inputs(model, 0)
        for batch in (slice(None), slice(1, None)):
            given = [each[batch] for each in inputs]
            model(given if len(given) > 1 else given[0], training=False)
    except Exception as error:  # noqa: BLE001  that is the answer
        return f"{type(error).__name__}: {error}"
    return "runs"


def run_all(payload: dict[str, Any]) -> dict[str, str]:
    """For each of the recipes `<name>.json`: "runs", or what Keras raises when it is given numbers."""
    return {
        name: _run(
            payload["library"],
            json.loads((Path(payload["folder"]) / f"{name}.json").read_text(encoding="utf-8")),
        )
        for name in payload["names"]
    }


def _save(model: Any, folder: Path, name: str, kind: str) -> dict[str, str]:
    if kind == "weights":
        (folder / f"{name}.architecture").write_text(model.to_json(), encoding="utf-8")
        model.save_weights(folder / f"{name}.weights.h5")
        return {"source": f"{name}.weights.h5", "architecture": f"{name}.architecture"}
    model.save(folder / f"{name}.{kind}")
    return {"source": f"{name}.{kind}"}
