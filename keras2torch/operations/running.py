"""Sums and products that run along an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call, method
from keras2torch.operations._arguments import axis_of, flag, must_be
from keras2torch.operations._registry import Dialect, X, example, operation
from keras2torch.operations._tensors import tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_BACKWARDS = [
    example((5, 4, 3), x=X, axis=1, exclusive=True, _only=(Dialect.TF, Dialect.NODE)),
    example((5, 4, 3), x=X, axis=2, reverse=True, exclusive=True, _only=(Dialect.TF, Dialect.NODE)),
]
_EXAMPLES = [example((4, 3), x=X, axis=1), example((5, 4, 3), x=X, axis=-1), *_BACKWARDS]


def _running(name: str, keras3: str, first: float) -> None:
    """Register the running `name`; an exclusive one begins with `first` and leaves out the last."""

    def function(
        layer: LayerCall, x: Any, axis: Any, exclusive: Any = False, reverse: Any = False, dtype: Any = None
    ) -> Value:
        must_be(dtype, "dtype", None)
        source = tensor(layer, x)
        dim = source.torch_axis(axis_of(axis, source.rank))
        backwards = flag(reverse, "reverse")
        code = method(source, "flip", dim) if backwards else Code((source,))
        if flag(exclusive, "exclusive"):
            code = _behind(layer.bind(layer.like(source, code)), dim, first)
        code = method(code, name, dim)
        return layer.like(source, method(code, "flip", dim) if backwards else code)

    operation(
        tf=f"math.{name}{'|cumsum' * (name == 'cumsum')}(x, axis=0, exclusive=False, reverse=False)",
        keras3=f"numpy.{keras3}(x, *, axis=None, dtype=None)",
        node=f"{keras3}(x, axis, *, exclusive=False, reverse=False)",
        examples=_EXAMPLES,
        name=name,
        summary=f"`{name}`; backwards between two flips, exclusive of what is moved one step on.",
    )(function)


def _behind(x: Value, dim: int, first: float) -> Code:
    """`x` moved one step along an axis, with a number in front."""
    slots = ":, " * dim
    return call(
        "torch.cat",
        Code(("[torch.full_like(", x, f"[{slots}:1], {first}), ", x, f"[{slots}:-1]]")),
        dim=dim,
    )


_running("cumsum", "Cumsum", 0.0)
_running("cumprod", "Cumprod", 1.0)
