"""Functions that may be called in bytecode: their parameters through the versions, and what they compute."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keras2torch.bytecode.numbers import as_tensor, as_type
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import Apply, has_tensor

REDUCE = "input_tensor/x axis/reduction_indices keepdims/keep_dims"
"""The parameters of every reduction."""

Arguments = dict[str, Any]


@dataclass(frozen=True)
class Function:
    """A function that may be called: its parameters in order, and what it computes of them."""

    parameters: tuple[tuple[str, ...], ...]
    """Each with the spellings that older versions had, TensorFlow 2's first."""
    defaults: Mapping[str, Any]
    build: Callable[[Arguments], Any]
    symbol: str | None = None
    """The operation that it is, or that its expression may hold and no other function's does."""

    def __call__(self, name: str, positional: Sequence[Any], named: Mapping[str, Any]) -> Any:
        """The expression for a call. Raises `NotRecognised`."""
        if len(positional) > len(self.parameters):
            raise NotRecognised(f"calls {name} with {len(positional)} arguments")
        given: Arguments = {
            names[0]: value for names, value in zip(self.parameters, positional, strict=False)
        }
        spellings = {spelling: names[0] for names in self.parameters for spelling in names}
        for key, value in named.items():
            if key == "name":  # of a node in TensorFlow's graph
                continue
            if key not in spellings or spellings[key] in given:
                raise NotRecognised(f"calls {name} with {key}, which is not understood")
            given[spellings[key]] = value
        for key, value in self.defaults.items():
            given.setdefault(key, value)
        if self.parameters and self.parameters[0][0] not in given:
            raise NotRecognised(f"calls {name} without arguments")
        return self.build(given)


def function(signature: str, build: str | Callable[[Arguments], Any], symbol: str | None = None) -> Function:
    """From `"input_tensor/x axis=-1"`: spellings behind slashes, defaults that TensorFlow does not have itself.

    `build` is a symbol, or makes an expression, which may hold `symbol`.
    """
    parameters, defaults = [], {}
    for word in signature.split():
        spellings, _, default = word.partition("=")
        names = tuple(spellings.split("/"))
        parameters.append(names)
        if default:
            defaults[names[0]] = _DEFAULTS[default]
    if isinstance(build, str):
        return Function(tuple(parameters), defaults, _symbol(build, parameters[0][0]), build)
    return Function(tuple(parameters), defaults, build, symbol)


_DEFAULTS = {"-1": -1, "0": 0, "1": 1, "None": None, "2": 2, "0.2": 0.2, "True": True}


def _symbol(symbol: str, first: str) -> Callable[[Arguments], Any]:
    """The first argument by place, and a second operand; the others by name."""

    def build(given: Arguments) -> Apply:
        operands = (given.pop(first), *([given.pop("y")] if first == "x" and "y" in given else []))
        return Apply(symbol, operands, tuple(given.items()))

    return build


def identity(given: Arguments) -> Any:
    """What hands on its first argument."""
    return as_tensor(next(iter(given.values())))


def cast(given: Arguments) -> Any:
    """A tensor in another type; numbers stay numbers."""
    if has_tensor(given["x"]):
        return Apply("cast", (given.pop("x"),), tuple(given.items()))
    return as_type(given["x"], given.get("dtype"))


def constant(given: Arguments) -> Any:
    """Numbers made into a tensor: they stay numbers, which every operation takes."""
    value = given.get("value")
    if has_tensor(value) or given.get("shape") is not None:
        raise NotRecognised("makes a constant of something else than numbers")
    return as_tensor(value)
