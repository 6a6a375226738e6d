"""The stand-in for a Lambda: the expression that was read from its bytecode, evaluated by TensorFlow."""

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

from keras2torch.bytecode.names import SYMBOLS
from keras2torch.bytecode.tree import (
    BATCH_DOT,
    BATCH_FLATTEN,
    GETITEM,
    INT_SHAPE,
    OPERATORS,
    Apply,
    Input,
    Slice,
    from_json,
)
from keras2torch.parity.library import KerasError, Library
from keras2torch.parity.stand_ins import stand_in

_PYTHON: Mapping[str, Callable[[Any, Any], Any]] = {
    OPERATORS["+"]: operator.add,
    OPERATORS["-"]: operator.sub,
    OPERATORS["*"]: operator.mul,
    OPERATORS["/"]: operator.truediv,
    OPERATORS["//"]: operator.floordiv,
    OPERATORS["%"]: operator.mod,
    OPERATORS["**"]: operator.pow,
    OPERATORS["@"]: operator.matmul,
    OPERATORS["<"]: operator.lt,
    OPERATORS["<="]: operator.le,
    OPERATORS[">"]: operator.gt,
    OPERATORS[">="]: operator.ge,
    GETITEM: operator.getitem,
}
"""What Python's own operators do: TensorFlow's give numbers beside tensors the tensors' type, its functions do not."""


_MADE = {"ones": "float32", "zeros": "float32"}
"""The type of what is made of no tensor, unless it is said."""


@stand_in(
    "OperatorTree", why="its function is not run, but the expression that was read from it is evaluated"
)
def _operator_tree(library: Library) -> Any:
    keras, tf = library.keras, library.tf

    class OperatorTree(keras.layers.Layer):  # type: ignore[misc, name-defined]
        def __init__(self, tree: Any, **kwargs: Any) -> None:
            super().__init__(**kwargs)
            self.expression = from_json(tree)

        def call(self, inputs: Any, **_: Any) -> Any:
            return evaluate(tf, self.compute_dtype, self.expression, inputs)

        def compute_mask(self, *_: Any, **__: Any) -> None:
            return None

    return OperatorTree


def evaluate(tf: Any, floats: str, node: Any, inputs: Any) -> Any:
    """What the expression `node` yields for a tensor, or a list of them; `floats` is the type to compute in."""

    def value(node: Any) -> Any:
        if isinstance(node, Input):
            return inputs
        if isinstance(node, Slice):
            return slice(*(value(bound) for bound in node.bounds))
        if isinstance(node, list | tuple):
            return type(node)(value(item) for item in node)
        return apply(node) if isinstance(node, Apply) else node

    def apply(node: Apply) -> Any:
        arguments = [value(argument) for argument in node.arguments]
        options = {name: value(option) for name, option in node.options}
        if node.symbol in _PYTHON and not options:
            return _PYTHON[node.symbol](*arguments)
        if node.symbol == BATCH_FLATTEN:
            return tf.reshape(*arguments, (tf.shape(arguments[0])[0], -1))
        if node.symbol == INT_SHAPE:
            return _shape(tf, *arguments)
        if node.symbol == BATCH_DOT:
            return _batch_dot(tf, *arguments, **options)
        if node.symbol == "tensordot":  # which asks no other argument for the type of numbers
            arguments = [tf.constant(each, floats) if isinstance(each, list) else each for each in arguments]
        if node.symbol not in SYMBOLS:
            raise KerasError(f"tf.{node.symbol} is none of the operations that are understood")
        if str(options.get("dtype", _MADE.get(node.symbol))).startswith("float"):
            options["dtype"] = floats
        if node.symbol == "fill" and isinstance(arguments[1], float):
            arguments[1] = tf.constant(arguments[1], floats)
        return reduce(getattr, node.symbol.split("."), tf)(*arguments, **options)

    return value(node)


def _shape(tf: Any, tensor: Any) -> list[Any]:
    """Sizes as numbers; where they are open, Keras has None there, and the function only hands it on."""
    return [tf.shape(tensor)[axis] if n is None else n for axis, n in enumerate(tensor.shape)]


def _batch_dot(tf: Any, x: Any, y: Any, axes: Any) -> Any:
    """Sums over one letter that both have, the sample's beside it."""
    ranks = len(x.shape), len(y.shape)
    if axes is None:
        axes = (ranks[0] - 1, 1)
    first, second = (axes, axes) if isinstance(axes, int) else axes
    left, right = list("nab"[: ranks[0]]), list("ncd"[: ranks[1]])
    left[first] = right[second] = "k"
    rest = [letter for letter in (*left, *right) if letter not in "nk"]
    product = tf.einsum(f"{''.join(left)},{''.join(right)}->n{''.join(rest)}", x, y)
    return product if rest else product[:, None]
