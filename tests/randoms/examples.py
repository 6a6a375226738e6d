"""Which examples of the registry random models are made of, and what may be done with each."""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from keras2torch.layers._registry import Example, LayerRule, converts_all
from keras2torch.source.model import Generation
from tests.randoms.options import Shape

GENERATIONS = {"keras": Generation.KERAS3, "tf_keras": Generation.TF_KERAS}
WEIGHTS = {
    "activations": 3,
    "attention": 4,
    "audio": 0.3,
    "categories": 1.5,
    "convolutional": 7,
    "core": 7,
    "locally_connected": 0.5,
    "merging": 8,
    "normalization": 5,
    "pooling": 4,
    "preprocessing": 1,
    "random": 0.4,
    "regularization": 1,
    "reshaping": 6,
    "resizing": 0.7,
    "rnn": 5,
    "wrappers": 5,
}
"""How often each family is drawn. One that is not here needs more than a library and an example to be built."""

ANY_RANK = {
    *(
        "ELU",
        "LeakyReLU",
        "PReLU",
        "ReLU",
        "Softmax",
        "Activation",
        "Dense",
        "Dropout",
        "GaussianNoise",
        "Identity",
    ),
    *(
        "GaussianDropout",
        "AlphaDropout",
        "ActivityRegularization",
        "BatchNormalization",
        "LayerNormalization",
    ),
    *("UnitNormalization", "Flatten", "Permute", "Reshape", "Normalization", "Rescaling", "RMSNormalization"),
}
TIED_TO_RANK = {"axis", "shared_axes", "noise_shape", "mean", "variance", "scale", "offset"}
"""Options of an example that mean little for another shape."""

JUMPS = {
    *("ThresholdedReLU", "Discretization", "Equalization", "AutoContrast", "hard_shrink", "sparsemax"),
    *("floor_divide", "modulo", "equal", "not_equal", "greater", "greater_equal", "less", "less_equal"),
    *(
        "floor",
        "ceil",
        "rint",
        "round",
        "sign",
        "trunc",
        "argmax",
        "argmin",
        "argsort",
        "count_nonzero",
        "top_k",
        "cast",
        "all_of",
        "any_of",
    ),
    *("is_finite", "is_nan", "logical_not", "logical_and", "logical_or", "logical_xor", "one_hot"),
}
"""What turns a last bit into a whole step: only on inputs of the model, which are the same numbers in any precision."""


@cache
def layer_examples(library: str) -> list[tuple[LayerRule, Example]]:
    """Those of rules for classes that the library has."""
    generation, layers = GENERATIONS[library], importlib.import_module(f"{library}.layers")
    return [
        (rule, example)
        for rule in converts_all()
        if rule.family in WEIGHTS
        and any(hasattr(layers, name) for name in rule.classes)
        and generation in rule.generations
        and rule.name != "InputLayer"
        for example in rule.examples
        if example.only in (None, generation)
        and example.batch is None
        and example.config.get("num_oov_indices") != 0
    ]


def dtypes_of(example: Example) -> tuple[str, ...]:
    return example.dtypes or ("float32" if example.integers_below is None else "int32",) * len(example.shapes)


def fits(each: tuple[LayerRule, Example], family: str, shape: Shape) -> bool:
    rule, example = each
    return rule.family == family and len(example.shapes) == 1 and len(example.shapes[0]) == len(shape)


def called(given: Sequence[Any], call: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Positional and named arguments, as an example says."""
    named: set[int] = set()

    def filled(value: Any) -> Any:
        if isinstance(value, list):
            return [filled(each) for each in value]
        if isinstance(value, str) and value.startswith("#"):
            named.add(int(value[1:]))
            return given[int(value[1:])]
        return value

    arguments = {name: filled(value) for name, value in call.items()}
    if "inputs" in arguments:
        return [arguments.pop("inputs")], arguments
    return [each for number, each in enumerate(given) if not number or number not in named], arguments
