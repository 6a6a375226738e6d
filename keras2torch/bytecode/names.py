"""What the names in a function mean: modules as everybody calls them, and the functions of theirs that are understood.

Bytecode holds names only; what they stood for when the model was trained is not in the file. So a name is taken for
what practically every Keras program means by it, and the result is shown to the user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras2torch.bytecode.backend_functions import ACTIVATIONS, BACKEND, KERAS_OPS
from keras2torch.bytecode.numbers import as_tensor
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.signatures import Function
from keras2torch.bytecode.tensorflow_functions import IMAGE, LINALG, MATHS, NN, TENSORS
from keras2torch.bytecode.tree import has_tensor

MODULES: Mapping[str, str] = {
    "K": "keras.backend",
    "KB": "keras.backend",
    "backend": "keras.backend",
    "keras": "keras",
    "tf": "tensorflow",
    "ktf": "tensorflow",
    "tensorflow": "tensorflow",
    "ops": "keras.ops",
    "np": "numpy",
    "numpy": "numpy",
    "math": "math",
}
"""Globals that practically every Keras program gives one meaning."""

BUILTINS = frozenset({"abs", "float", "int", "len", "list", "max", "min", "pow", "sum", "tuple"})

_SAME_MODULES = (
    ("tensorflow.python.keras.", "keras."),
    ("tensorflow.keras.", "keras."),
    ("tensorflow.contrib.keras.", "keras."),
    ("keras.api.", "keras."),
    ("keras.backend.tensorflow_backend.", "keras.backend."),
    ("keras.backend.tf.", "tensorflow."),
    ("keras.backend.backend.", "keras.backend."),
    ("tensorflow.compat.v2.", "tensorflow."),
)

_IMAGE1 = "tensorflow.compat.v1.image"
"""TensorFlow 1's, whose `resize` lays the pixels on another grid than its successor."""

CONSTANTS: Mapping[str, Any] = {
    "math.pi": math.pi,
    "math.e": math.e,
    "numpy.pi": math.pi,
    "numpy.e": math.e,
    "numpy.newaxis": None,
    "tensorflow.newaxis": None,
    **{
        f"{module}.{name}": name
        for module in ("tensorflow", "numpy")
        for name in ("float16", "float32", "float64", "int32", "int64", "uint8")
    },
    "tensorflow.bool": "bool",
    "tensorflow.image.ResizeMethod.BILINEAR": "bilinear",
    "tensorflow.image.ResizeMethod.NEAREST_NEIGHBOR": "nearest",
}
"""Attributes of modules that are constants; types are known by their names."""

_ON_CONSTANTS: Mapping[str, Callable[[float], float]] = {
    f"{module}.{name}": function
    for module in ("math", "numpy")
    for name, function in {"sqrt": math.sqrt, "log": math.log, "exp": math.exp}.items()
}


def _under(module: str, functions: Mapping[str, Function]) -> dict[str, Function]:
    return {f"{module}.{name}": function for name, function in functions.items()}


FUNCTIONS: Mapping[str, Function] = {
    **_under("keras.backend", BACKEND),
    **_under("keras.activations", ACTIVATIONS),
    **_under("keras.ops", KERAS_OPS),
    # TensorFlow 1 had its mathematics at the top, where the most usual of it is still.
    **_under("tensorflow", {**MATHS, **TENSORS}),
    **_under("tensorflow.math", MATHS),
    **_under("tensorflow.linalg", LINALG),
    **_under("tensorflow.nn", NN),
    **_under("tensorflow.image", IMAGE),
    **_under(_IMAGE1, {**IMAGE, "resize": IMAGE["resize_images"]}),
    "tensorflow.extract_image_patches": IMAGE["extract_patches"],
    "numpy.arange": BACKEND["arange"],
    **{f"numpy.{name}": TENSORS[name] for name in ("eye", "ones", "zeros")},
    "tensorflow.depth_to_space": NN["depth_to_space"],
    "tensorflow.space_to_depth": NN["space_to_depth"],
    "tensorflow.div": MATHS["truediv"],
}
"""Everything that may be called, by its full name."""

SYMBOLS = frozenset(function.symbol for function in FUNCTIONS.values() if function.symbol)
"""Everything that a tree may consist of, beside Python's operators."""


def full_name(module: str, attribute: str) -> str:
    """The name of an attribute of a module, in one spelling wherever several modules are the same."""
    name = f"{module}.{attribute}"
    for alias, same in _SAME_MODULES:
        if f"{name}.".startswith(alias):
            name = (same + f"{name}."[len(alias) :]).rstrip(".")
    own = name == _IMAGE1 or name.startswith(f"{_IMAGE1}.resize")
    if name.startswith("tensorflow.compat.v1.") and not own:
        name = "tensorflow." + name.removeprefix("tensorflow.compat.v1.")
    return name


_RANDOM = re.compile(
    r"(tensorflow|keras\.backend)\.(random_|truncated_normal|dropout)|tensorflow\.(random|nn)\.\w*(normal|uniform|dropout)|"
    r"numpy\.random\.|keras\.random\."
)
_LOSS = re.compile(r"(^|\.)(ctc_\w*cost|ctc_loss\w*|keras\.losses\.\w+|\w*crossentropy\w*)$")


def call(name: str, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
    """What a call of the function of that full name yields. Raises `NotRecognised`."""
    on_constant = _ON_CONSTANTS.get(name)
    if on_constant is not None and len(positional) == 1 and not named:
        return _on_constant(name, on_constant, positional[0])
    if name == "numpy.array" and len(positional) == 1 and not has_tensor(positional[0]):
        return as_tensor(positional[0])
    function = FUNCTIONS.get(name)
    if function is None:
        raise NotRecognised(f"calls {name}, {_why_not(name)}")
    return function(name, positional, named)


def _why_not(name: str) -> str:
    if _RANDOM.match(name):
        return "which draws random numbers"
    if _LOSS.search(name):
        return (
            "which is a loss: only training needs it, so convert the model that ends at the predictions "
            "(keras.Model(inputs, predictions).save(...))"
        )
    return "which is not understood"


def _on_constant(name: str, function: Callable[[float], float], value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NotRecognised(f"calls {name} on something else than a number")
    try:
        return function(value)
    except (ValueError, OverflowError):
        raise NotRecognised(f"calls {name} on {value}") from None
