"""Small models of what random seeds have shown to be no fault of ours, and how each must be judged.

What says nothing of a conversion is told from faults by verdicts and by the list of refusals that are right; a change
of either must neither hide a fault nor call one of these one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.randoms.recipe import Recipe, Step, ref


@dataclass(frozen=True)
class Settled:
    """A recipe, and its verdict: the kind, and how its sign begins."""

    library: str
    recipe: Recipe
    kind: str
    sign: str = ""


def entry(*shape: int | None, dtype: str = "float32") -> Step:
    return {"input": {"shape": list(shape), "dtype": dtype, "name": "x"}}


def layer(class_name: str, *on: int, **config: Any) -> Step:
    """A layer on the tensors that these steps yield."""
    return {"layer": {"class": class_name, "config": config}, "on": [ref(each) for each in on], "call": {}}


def recipe(*steps: Step, saved_as: str = "h5") -> Recipe:
    """The last step is the output."""
    return {"steps": list(steps), "outputs": [[len(steps) - 1, 0]], "saved_as": saved_as}


def operation(name: str, *on: Any, **options: Any) -> Step:
    return {"operation": name, "options": options, "on": list(on), "call": {}}


UNBOUND = {
    "filters": 2,
    "kernel_size": 3,
    "padding": "same",
    "strides": [2, 1],
    "activation": "gelu",
    "recurrent_activation": "relu",
}
_CROP = {"cropping": [1, 0, 2], "data_format": "channels_first"}

SETTLED: Mapping[str, Settled] = {
    "a recurrence whose gates have no bound": Settled(
        "keras",
        recipe(
            entry(9, 4, 6, 2), layer("Bidirectional", 0, layer={"class": "ConvLSTM2D", "config": UNBOUND})
        ),
        "unjudged",
        "overflows in float64",
    ),
    "zeros over their own length": Settled(
        "tf_keras",
        recipe(
            entry(8, 3, 3),
            operation("linalg.normalize", ref(0), 1, 1),
            operation("nn.max_pool2d", ref(1), [3, 2], [1, 2], "SAME"),
        ),
        "unjudged",
        "NaN goes in",
    ),
    "a crop of all there is": Settled(
        "tf_keras",
        recipe(entry(5, 4, 5, 1), layer("Cropping3D", 0, **_CROP), layer("ReLU", 1, negative_slope=0.1)),
        "refused",
        "ReLU: reads a tensor without elements",
    ),
    "a slice of nothing": Settled(
        "keras",
        recipe(
            entry(4, 1),
            operation(
                "numpy.GetItem",
                ref(0),
                {"tuple": [{"slice": [None] * 3}] * 2 + [{"slice": [None, -1, None]}]},
            ),
        ),
        "refused",
        "GetItem: a slice without elements",
    ),
    "bfloat16 that a file of weights does not name": Settled(
        "tf_keras",
        recipe(entry(7, 4), layer("Normalization", 0, dtype="mixed_bfloat16"), saved_as="weights"),
        "refused",
        "ForbiddenStorage: not plain numbers (opaque)",
    ),
    "weights over an open axis": Settled(
        "tf_keras",
        recipe(entry(None, 2), layer("LayerNormalization", 0, axis=[1, 2], center=False, scale=False)),
        "refused",
        "LayerNormalization: the number of features is not known",
    ),
    "a crop larger than what has no pixels": Settled(
        "tf_keras",
        recipe(
            entry(4, 9, 3),
            layer("SeparableConv2D", 0, filters=4, kernel_size=3, data_format="channels_first"),
            layer("CenterCrop", 1, height=41, width=7),
        ),
        "refused",
        "CenterCrop: # x # to # x # enlarges a crop without pixels",
    ),
    "a sum over axes of different extents": Settled(
        "tf_keras",
        recipe(
            entry(16, 5),
            layer("EinsumDense", 0, equation="abc,bd->adc", output_shape=[4, 5]),
            operation("linalg.tensordot", ref(1), [[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]], 1),
        ),
        "unjudged",
        "",
    ),
}


def names(library: str) -> Sequence[str]:
    return [name for name, each in SETTLED.items() if each.library == library]
