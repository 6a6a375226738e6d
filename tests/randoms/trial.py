"""Numbers that go through a model as it grows, since Keras takes steps that it then cannot run.

They are of the scales that verification feeds. What comes out must be numbers that say something, so that
nothing grows behind an inverse error function beyond its domain, or behind what overflows.
"""

import importlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.parity.keras_models import randomise
from tests.randoms.recipe import Step

if TYPE_CHECKING:
    from tests.randoms.build import Builder

BATCH = 13
"""No extent of a model's inputs: an axis taken for the batch must not fit by chance."""
OPEN = 6
LARGEST = 1e12
IDS = 10
"""Verification feeds ids below this, or below the rows of the table that they select from."""


class Unfit(ValueError):
    """Numbers that no verdict can be based on."""


class Trial:
    """Does on numbers what a builder has done on symbols, a step at a time."""

    def __init__(self, builder: "Builder") -> None:
        self.builder = builder
        self.tf: Any = importlib.import_module("tensorflow")
        self.random = np.random.default_rng(0)
        self.values: list[list[Any]] = []

    def run(self, step: Step, given: Any = None) -> None:
        """Do the step that the builder has done last; `given` is what an input holds, else it is drawn.

        Raises whatever Keras raises, and `Unfit`.
        """
        number = len(self.values)
        if "input" in step:
            self.values.append([self.drawn(step) if given is None else given])
            return
        if "layer" in step:
            randomise(self.builder.layers[number])
            self._keep_within_the_table(step)
        try:
            result = self.builder.result(number, step, self.values)
        except Exception as error:
            if not for_lack_of_kernels(str(error)):
                raise
            result = [self._numbers(*each) for each in zip(step["shapes"], step["dtypes"], strict=True)]
        found = [self.tf.convert_to_tensor(each) for each in self.tf.nest.flatten(result)]
        for each in found:
            if each.dtype.is_floating and each.dtype.size > 2 and not _tells(np.asarray(each)):
                raise Unfit(str(step))
        self.values.append(found)

    def drawn(self, step: Step) -> Any:
        """What verification feeds such an input, of all scales at once."""
        shape = [BATCH, *(OPEN if extent is None else extent for extent in step["input"]["shape"])]
        dtype = step["input"]["dtype"]
        if dtype.startswith("int"):
            return self.random.integers(0, IDS, shape).astype(dtype)
        values = self._numbers(shape, dtype)
        if dtype.startswith("float"):
            values[0] = self.random.random(shape[1:])
            values[1] = self.random.integers(0, 256, shape[1:])
        return values

    def _numbers(self, shape: Sequence[int | None], dtype: str) -> Any:
        extents = [extent for extent in shape[1:] if extent is not None]
        if len(extents) < len(shape) - 1:
            raise Unfit(f"no kernel, and an open extent: {shape}")
        values = self.random.standard_normal((BATCH, *extents))
        return (values > 0 if dtype == "bool" else values).astype(self.tf.as_dtype(dtype).as_numpy_dtype)

    def _keep_within_the_table(self, step: Step) -> None:
        """Ids select rows of a table; verification then keeps to those that there are."""
        config = step["layer"].get("config", {})
        config = config.get("layer", {}).get("config", config)
        rows = config.get("input_dim", config.get("num_tokens"))
        if rows is None or not step["on"] or "ref" not in step["on"][0]:
            return
        number, which = step["on"][0]["ref"]
        ids = self.values[number][which]
        if isinstance(ids, np.ndarray) and ids.dtype.kind == "i":
            ids %= rows


def for_lack_of_kernels(error: str) -> bool:
    """Whether TensorFlow fails since it has no kernels for channels first on a CPU, which says nothing of the model."""
    return bool(re.search("NHWC|NCHW|NDHWC|NCDHW|channels_first", error))


def _tells(values: Any) -> bool:
    return bool(np.isfinite(values).all()) and float(np.abs(values).max(initial=0.0)) < LARGEST
