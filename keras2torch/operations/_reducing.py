"""What every reduction does with axes: Keras's to torch's, and what becomes of shape and layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, method
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import axes_of, flag
from keras2torch.operations._tensors import without_axes

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

Write = Callable[[Value, tuple[int, ...], bool], Code]


def reduce(
    layer: LayerCall, x: Value, axis: Any, keepdims: Any, write: Write, dtype: str | None = None
) -> Value:
    """`write(x, torch's axes, keepdim)`, and what becomes of shape and layout."""
    axes = axes_of(axis, x.rank)
    keep = flag(keepdims, "keepdims")
    if not axes:
        raise UnsupportedOption("a reduction along no axis", "axis")
    dims = tuple(sorted(x.torch_axis(each) for each in axes))
    if axes[-1] == x.rank - 1 and dims == (x.rank - 1,):
        dims = (-1,)  # as people write it
    if keep:
        shape = tuple(1 if each in axes else extent for each, extent in enumerate(x.shape))
        layout = x.axes
    else:
        shape = tuple(extent for each, extent in enumerate(x.shape) if each not in axes)
        layout = without_axes(x.axes, axes)
    value = layer.value(write(x, dims, keep), shape, axes=layout, dtype=dtype or x.dtype)
    if not layout:
        value.axes = ()
    return value


def by_method(name: str) -> Write:
    def write(x: Value, dims: tuple[int, ...], keep: bool) -> Code:
        settings = {"keepdim": True} if keep else {}
        return method(x, name, dim=dims[0] if len(dims) == 1 else dims, **settings)

    return write
