"""Activation functions by name: one formula each, per generation where the generations differ.

Formulas follow `keras/src/activations/activations.py` (3.15) and `tf_keras/src/activations.py` (2.21).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, template
from keras2torch.errors import UnsupportedOption
from keras2torch.source.model import Generation

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Formula = Callable[[Value], Code]

_ELEMENTWISE: dict[str, Formula] = {
    "relu": lambda x: call("F.relu", x),
    "relu6": lambda x: call("F.relu6", x),
    "tanh": lambda x: call("torch.tanh", x),
    "sigmoid": lambda x: call("torch.sigmoid", x),
    # Beyond its threshold torch returns x itself: at 40 that is exact in float64, and exp(40) is no trouble in float32.
    "softplus": lambda x: call("F.softplus", x, threshold=40),
    "softsign": lambda x: call("F.softsign", x),
    "selu": lambda x: call("F.selu", x),
    "elu": lambda x: call("F.elu", x),
    "celu": lambda x: call("F.celu", x),
    "exponential": lambda x: call("torch.exp", x),
    "silu": lambda x: call("F.silu", x),
    "gelu": lambda x: call("F.gelu", x),
    "mish": lambda x: call("F.mish", x),
    "leaky_relu": lambda x: call("F.leaky_relu", x, 0.2),
    "hard_silu": lambda x: call("F.hardswish", x),
    "hard_tanh": lambda x: call("F.hardtanh", x),
    "log_sigmoid": lambda x: call("F.logsigmoid", x),
    "hard_shrink": lambda x: call("F.hardshrink", x),
    "soft_shrink": lambda x: call("F.softshrink", x),
    "tanh_shrink": lambda x: call("F.tanhshrink", x),
    "squareplus": lambda x: template("({} + torch.sqrt({} * {} + 4)) / 2", x, x, x),
    "sparse_plus": lambda x: call(
        "torch.where",
        template("{} <= -1", x),
        0.0,
        call("torch.where", template("{} < 1", x), template("({} + 1) ** 2 / 4", x), x),
    ),
    "sparse_sigmoid": lambda x: call("torch.clamp", template("({} + 1) / 2", x), 0, 1),
}
"""Functions of each element alone, the same in every generation."""

_ALIASES = {"swish": "silu", "hard_swish": "hard_silu"}
_ALONG_LAST_AXIS = {"softmax": "torch.softmax", "log_softmax": "torch.log_softmax"}
LAYERS = frozenset({"ReLU", "LeakyReLU", "ELU", "ThresholdedReLU", "Softmax", "PReLU"})
"""Layers that serve as activations. Keras 2 took these names for layers with their defaults; Keras 3 does not."""
_READ_MORE_THAN_ONCE = frozenset({"squareplus", "sparse_plus"})


REFUSED = {"threshold": "activation threshold has two arguments that no file gives"}
"""Functions that a configuration cannot name in a way that could be computed, and why."""


_BEFORE_TF_KERAS = frozenset({Generation.KERAS1, Generation.KERAS2})
_FOREIGN_THERE = frozenset({"silu", "mish", "relu6", "log_softmax"})
"""Functions that Keras 1 and 2 have not, which mean the same wherever they come from."""
_AMBIGUOUS = {
    "gelu": "exactly, or by a tanh",
    "leaky_relu": "with any slope",
}
"""Functions that Keras took later, and that people write in more than one way."""


def _check_whose(layer: LayerCall, name: str, option: str) -> None:
    """Refuse, or tell, that a function is not Keras's own in this file: the file holds its name and nothing else."""
    foreign = layer.generation in _BEFORE_TF_KERAS
    if name in _AMBIGUOUS and (foreign or (name == "gelu" and layer.older_than(4))):
        raise UnsupportedOption(
            f"{name} is not this Keras's own but its author's, who may compute it {_AMBIGUOUS[name]}: a torch class "
            "that says so can take the layer's place with --replace NAME=FILE.py:CLASS",
            option,
        )
    if foreign and name in _FOREIGN_THERE:
        layer.warn(f"{option} {name} is not this Keras's own but its author's; taken for what all call so")


def _hard_sigmoid(x: Value, generation: Generation) -> Code:
    # Keras 3 changed the slope from 1/5 to 1/6: up to 0.083 apart.
    if generation is Generation.KERAS3:
        return call("F.hardsigmoid", x)
    return call("torch.clamp", template("0.2 * {} + 0.5", x), 0, 1)


def names() -> list[str]:
    """Every activation name that has a formula."""
    return sorted({*_ELEMENTWISE, *_ALIASES, *_ALONG_LAST_AXIS, "linear", "hard_sigmoid", "sparsemax", "glu"})


def parse(spec: Any, option: str, generation: Generation) -> tuple[str | None, Mapping[str, Any] | None]:
    """What an activation option says: (function name, None), or (None, layer entry) where it holds a layer."""
    if spec is None:
        return "linear", None
    if isinstance(spec, str):
        if spec in LAYERS and generation is not Generation.KERAS3:
            return None, {"class_name": spec, "config": {}}
        return spec, None
    if isinstance(spec, Mapping):
        class_name, config = spec.get("class_name"), spec.get("config")
        if class_name == "function" and isinstance(config, str):
            return config, None
        if isinstance(class_name, str) and isinstance(config, Mapping) and not class_name.startswith("__"):
            if class_name == "Activation":
                return parse(config.get("activation"), option, generation)
            return None, spec
    raise UnsupportedOption(f"option {option} is not an activation that can be read", option)


def is_function(spec: Any) -> bool:
    """Whether an activation option holds the bytecode of a function, as Keras 3 writes it."""
    return isinstance(spec, Mapping) and (spec.get("class_name") == "__lambda__" or spec.keys() == {"value"})


def is_plain(spec: Any, name: str) -> bool:
    """Whether an activation option names the built-in function `name`, in any generation's spelling."""
    if isinstance(spec, Mapping) and spec.get("class_name") == "function":
        spec = spec.get("config")
    return (spec or "linear") == name


def elementwise_code(name: str, x: Value, generation: Generation) -> Code | None:
    """The formula of an elementwise function, or None if `name` is not one."""
    name = _ALIASES.get(name, name)
    if name == "hard_sigmoid":
        return _hard_sigmoid(x, generation)
    formula = _ELEMENTWISE.get(name)
    return formula(x) if formula else None


def apply(layer: LayerCall, source: Value, name: str, option: str) -> Value:
    """`source` behind the function `name`."""
    name = _ALIASES.get(name, name)
    if name in REFUSED:
        raise UnsupportedOption(REFUSED[name], option)
    _check_whose(layer, name, option)
    if name == "linear":
        return source
    if name in _READ_MORE_THAN_ONCE:
        source = layer.bind(source)
    if name in _ALONG_LAST_AXIS:
        if source.rank < 2:
            raise UnsupportedOption(f"{name} of a rank-1 tensor", option)
        axis = source.torch_axis(-1)
        # Written as people write it: the last axis is -1 wherever it stands last.
        return layer.like(
            source, call(_ALONG_LAST_AXIS[name], source, dim=-1 if axis == source.rank - 1 else axis)
        )
    if name == "sparsemax":
        source = layer.keras_layout(source)
        return layer.like(source, call(layer.part("sparsemax"), source))
    if name == "glu":
        if source.order is not None or source.shape[-1] is None or source.shape[-1] % 2:
            raise UnsupportedOption("glu needs an even, known number of features", option)
        shape = (*source.shape[:-1], source.shape[-1] // 2)
        return layer.value(call("F.glu", source, dim=source.torch_axis(-1)), shape, axes=source.axes)
    code = elementwise_code(name, source, layer.generation)
    if name == "<lambda>":
        raise UnsupportedOption("activation is a lambda, of which the file holds nothing but that", option)
    if code is None:
        raise UnsupportedOption(f"activation {name!r} is not a Keras activation", option)
    return layer.like(source, code)
