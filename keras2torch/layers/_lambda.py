"""Functions in a configuration, read from their bytecode and written with the operations that they consist of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from keras2torch import operations
from keras2torch.bytecode.recognise import Recognised, recognise, stored_function
from keras2torch.bytecode.refusal import NotRecognised
from keras2torch.bytecode.tree import (
    BATCH_DOT,
    BATCH_FLATTEN,
    GETITEM,
    INT_SHAPE,
    OPERATORS,
    SEVERAL,
    Apply,
    Input,
    Slice,
)
from keras2torch.bytecode.values import binary
from keras2torch.emit.code import Code, Value
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.source.model import Generation

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_SIGNS = {symbol: sign for sign, symbol in OPERATORS.items()}
_BEFORE_TENSORFLOW2 = frozenset({"2.7", "3.0 to 3.5", "3.6 or 3.7"})
"""Pythons that TensorFlow 1 ran on: later ones know the second alone."""


Stored = tuple[Any, Any, Any]
"""A function as it is kept, the kind of keeping, and the arguments beside the inputs."""


def function_of(class_name: Any, config: Mapping[str, Any]) -> Stored | None:
    """The function that a layer is, or None for a layer that is something else."""
    if class_name == "Lambda":
        return config.get("function"), config.get("function_type"), config.get("arguments")
    if class_name == "Merge" and not isinstance(config.get("mode", "sum"), str):
        return config["mode"], config.get("mode_type"), config.get("arguments")
    return None


def read_function(value: Any, kind: Any = None, arguments: Any = None) -> Recognised:
    """The function under an option (`kind`: what stands under `function_type`). Raises `NotRecognised`."""
    if arguments is not None and not isinstance(arguments, Mapping):
        raise NotRecognised("is given arguments that are no object")
    return recognise(stored_function(value, kind), arguments)


def apply_function(
    layer: LayerCall, inputs: Sequence[Value], value: Any, kind: Any = None, arguments: Any = None
) -> Value:
    """What the function makes of `inputs`; the user is told as what it was read.

    Raises `UnsupportedOption` for a function that is not understood, saying what stopped the reading.
    """
    try:
        found = read_function(value, kind, arguments)
    except NotRecognised as refusal:
        raise _refused(layer, f"its function {refusal.why}") from None
    if any(x.order is not None for x in inputs):
        raise LayerRefused("a function of one's own reads features that another layer reorders")
    try:
        result = _Evaluation(layer, inputs, found).result()
    except LayerRefused as refusal:
        raise _refused(layer, f"its function was read as {found.text}, but {refusal.message}") from refusal
    layer.warn(f"read from its bytecode as {found.text}: check that this is what you wrote")
    return result


def check_shape(result: Value, recorded: Any, kind: Any) -> None:
    """A shape that was written down beside the function must be the one that its expression has.

    Where a function computed it, TensorFlow did not use it.
    """
    if isinstance(recorded, dict) and recorded.get("class_name") == "__tuple__":
        recorded = recorded.get("items")
    if kind != "raw" or not isinstance(recorded, list | tuple):
        return
    known = result.shape[1:]
    fits = len(known) == len(recorded) and all(
        None in (mine, theirs) or mine == theirs for mine, theirs in zip(known, recorded, strict=True)
    )
    if not fits:
        shown = ", ".join(map(str, recorded))
        raise UnsupportedOption(
            f"its output_shape says ({shown}), its function yields {known}"[:200], "output_shape"
        )


def _refused(layer: LayerCall, why: str) -> UnsupportedOption:
    return UnsupportedOption(
        f"{why}; put a torch class of yours in its place with --replace {layer.name}=file.py:ClassName",
        "function",
    )


class _Evaluation:
    def __init__(self, layer: LayerCall, inputs: Sequence[Value], found: Recognised):
        self._layer = layer
        self._inputs = list(inputs)
        self._found = found
        self._known: dict[int, Any] = {}
        self._uses: Counter[int] = Counter()
        self._count(found.tree)

    def result(self) -> Value:
        """The tensor that the tree stands for. Raises `LayerRefused`."""
        if "2.7" in self._found.pythons and any(not x.dtype.startswith("float") for x in self._inputs):
            raise LayerRefused("its inputs are integers, which Python 2 divides into integers")
        value = self._value(self._found.tree)
        if not isinstance(value, Value):
            raise LayerRefused("it yields several tensors")
        if value in self._inputs and value.mask is not None:
            return self._layer.like(value, Code((value,)))  # the same numbers, though without their mask
        return value

    def _count(self, node: Any) -> None:
        if isinstance(node, list | tuple):
            for item in node:
                self._count(item)
        elif isinstance(node, Apply):
            self._uses[id(node)] += 1
            if self._uses[id(node)] == 1:
                self._count((*node.arguments, *(option for _, option in node.options)))
        elif isinstance(node, Slice):
            self._count(node.bounds)

    def _value(self, node: Any) -> Any:
        """A `Value`, a list with values in it, or a constant as the operations take it."""
        if isinstance(node, Input):
            return self._inputs if len(self._inputs) > 1 else self._inputs[0]
        if isinstance(node, Slice):
            bounds = (self._value(bound) for bound in node.bounds)
            return dict(zip(("start", "stop", "step"), bounds, strict=True))
        if isinstance(node, list | tuple):
            return [self._value(item) for item in node]
        if not isinstance(node, Apply):
            return node
        if id(node) not in self._known:
            value = self._apply(node)
            shared = self._uses[id(node)] > 1 and isinstance(value, Value)
            self._known[id(node)] = self._layer.bind(value) if shared else value
        return self._known[id(node)]

    def _apply(self, node: Apply) -> Any:
        arguments = [self._value(argument) for argument in node.arguments]
        options = {name: self._value(option) for name, option in node.options}
        first = arguments[0]
        if node.symbol == GETITEM and isinstance(first, list):
            return _item(first, arguments[1])
        if (
            node.symbol in _SIGNS
            and len(arguments) == 2
            and all(isinstance(n, int | float) for n in arguments)
        ):
            return _of_numbers(_SIGNS[node.symbol], *arguments)
        if node.symbol == BATCH_FLATTEN:
            extents = first.shape[1:] if isinstance(first, Value) else (None,)
            if None in extents:
                raise LayerRefused("it flattens axes of unknown size")
            return self._operation("reshape", first, [-1, prod(n or 0 for n in extents)])
        if node.symbol == INT_SHAPE:
            return self._sizes(first)
        if node.symbol == BATCH_DOT:
            return self._batch_dot(first, arguments[1], options["axes"])
        if node.symbol in SEVERAL:
            return operations.apply_all(self._layer, operations.Dialect.TF, node.symbol, arguments, options)
        if (
            node.symbol == "image.resize"
            and self._layer.generation is not Generation.KERAS3
            and _BEFORE_TENSORFLOW2.intersection(self._found.pythons)
        ):
            raise LayerRefused(
                "tf.image.resize means something else in TensorFlow 1, and the file does not say which it was"
            )
        return operations.apply(self._layer, node.symbol, arguments, options)

    def _operation(self, symbol: str, *arguments: Any, **options: Any) -> Value:
        return operations.apply(self._layer, symbol, arguments, options)

    def _sizes(self, x: Any) -> list[Any]:
        """The sizes of a tensor's axes: numbers, where they are known."""
        if not isinstance(x, Value):
            raise LayerRefused("it asks for the shape of several tensors")
        shape = self._operation("shape", x)
        return [self._operation(GETITEM, shape, axis) if n is None else n for axis, n in enumerate(x.shape)]

    def _batch_dot(self, x: Any, y: Any, axes: Any) -> Value:
        """For each sample, the product of two vectors (N, k) as (N, 1), or of two matrices, summed over `axes`."""
        ranks = tuple(each.rank if isinstance(each, Value) else 0 for each in (x, y))
        along = (ranks[0] - 1, max(ranks[1] - 2, 1)) if axes is None else axes
        pair = tuple(along) if isinstance(along, list | tuple) else (along, along)
        if len(pair) != 2 or not all(isinstance(axis, int) for axis in pair):
            raise LayerRefused(f"it calls batch_dot along {axes}")
        first, second = (axis % rank if rank else 0 for axis, rank in zip(pair, ranks, strict=True))
        if ranks == (2, 2) and (first, second) == (1, 1):
            return self._operation(
                "math.reduce_sum", self._operation("math.multiply", x, y), axis=1, keepdims=True
            )
        if ranks == (3, 3) and 0 not in (first, second):
            return self._operation("linalg.matmul", x, y, transpose_a=first == 1, transpose_b=second == 2)
        raise LayerRefused(f"it calls batch_dot on tensors with {ranks[0]} and {ranks[1]} axes, along {pair}")


def _item(items: list[Any], place: Any) -> Any:
    """An item of several things, or some of them."""
    if isinstance(place, dict) and all(bound is None or isinstance(bound, int) for bound in place.values()):
        return items[slice(place["start"], place["stop"], place["step"] or None)]
    if not isinstance(place, int) or not -len(items) <= place < len(items):
        raise LayerRefused(f"it takes an item of {len(items)} things that is not there")
    return items[place]


def _of_numbers(sign: str, left: float, right: float) -> Any:
    try:
        return binary(sign, left, right)
    except NotRecognised as refusal:
        raise LayerRefused(f"it {refusal.why}") from None
