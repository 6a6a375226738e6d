"""Borders put round a tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call
from keras2torch.errors import UnsupportedOption
from keras2torch.operations._arguments import array_of, choice, integer, number
from keras2torch.operations._registry import X, example, operation
from keras2torch.operations._tensors import tensor

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

_EXAMPLES = [
    example((5, 3), x=X, widths=[[0, 0], [1, 2], [0, 0]]),
    example((5, 4, 3), x=X, widths=[[0, 0], [1, 2], [3, 0], [0, 0]]),
]
_MIRRORED = [
    example((5, 3), x=X, widths=[[0, 0], [1, 2], [0, 0]], mode="reflect"),
    example((6, 5, 3), x=X, widths=[[0, 0], [1, 2], [3, 0], [0, 0]], mode="reflect"),
    example((6, 5, 3), x=X, widths=[[0, 0], [1, 2], [3, 0], [0, 1]], mode="symmetric"),
]


@operation(
    tf=[
        "pad(tensor: x, paddings: widths, mode='CONSTANT', constant_values: fill=0)",
        "compat.v1.pad(tensor: x, paddings: widths, mode='CONSTANT', name=None, constant_values: fill=0)",
    ],
    keras3="numpy.Pad(x, constant_values: fill=None, *, pad_width: widths, mode='constant')",
    examples=[
        *_EXAMPLES,
        *_MIRRORED,
        example((5, 3), x=X, widths=[[0, 0], [1, 0], [2, 1]], fill=1.5, mode="constant"),
    ],
)
def pad(layer: LayerCall, x: Any, widths: Any, mode: Any, fill: Any) -> Value:
    """`F.pad`; symmetric borders are joined on."""
    return padded(layer, x, widths, choice(mode, "mode", "constant", "reflect", "symmetric"), fill)


@operation(node="Pad(x, widths)", examples=_EXAMPLES)
def pad_node(layer: LayerCall, x: Any, widths: Any) -> Value:
    """`F.pad` with zeros."""
    return padded(layer, x, widths, "constant", 0)


@operation(
    node="PadV2(x, widths, fill)",
    examples=[example((5, 3), x=X, widths=[[0, 0], [1, 0], [2, 1]], fill=1.5)],
)
def pad_node_with(layer: LayerCall, x: Any, widths: Any, fill: Any) -> Value:
    """`F.pad`."""
    return padded(layer, x, widths, "constant", fill)


@operation(
    node="MirrorPad(x, widths, *, mode)",
    examples=[
        example((6, 5, 3), x=X, widths=[[0, 0], [1, 2], [3, 0], [0, 0]], mode="REFLECT"),
        example((6, 5, 3), x=X, widths=[[0, 0], [1, 2], [3, 0], [0, 1]], mode="SYMMETRIC"),
    ],
)
def mirror_pad(layer: LayerCall, x: Any, widths: Any, mode: Any) -> Value:
    """`F.pad` with a mirror image; symmetric borders are joined on."""
    return padded(layer, x, widths, choice(mode, "mode", "reflect", "symmetric"), None)


def padded(layer: LayerCall, x: Any, widths: Any, mode: str, fill: Any) -> Value:
    source = tensor(layer, x)
    pairs = _pairs(widths, source.rank)
    shape = tuple(
        None if size is None else size + before + after
        for size, (before, after) in zip(source.shape, pairs, strict=True)
    )
    padded = [axis for axis, pair in enumerate(pairs) if pair != (0, 0)]
    if not padded:
        return source
    if mode == "symmetric":
        return _symmetric(layer, source, pairs, padded, shape)
    if mode == "reflect":
        source = _last(layer, source, padded)
    pads: list[int] = []
    for axis in reversed(source.axes):
        pads += pairs[axis]
    while len(pads) > 2 and pads[-2:] == [0, 0] and (mode == "constant" or len(pads) > 2 * len(padded)):
        pads = pads[:-2]
    value = number(0 if fill is None else fill, "constant_values")
    settings: dict[str, Any] = {"mode": "reflect"} if mode == "reflect" else {"value": value} if value else {}
    return layer.value(
        call("F.pad", source, tuple(pads), **settings), shape, axes=source.axes, dtype=source.dtype
    )


def _pairs(widths: Any, rank: int) -> list[tuple[int, int]]:
    array = array_of(widths, "paddings")
    if array.shape != (rank, 2):
        raise UnsupportedOption(f"paddings {array.tolist()} of a tensor with {rank} axes", "paddings")
    return [(integer(a, "paddings", 0), integer(b, "paddings", 0)) for a, b in array.tolist()]


def _last(layer: LayerCall, source: Value, padded: list[int]) -> Value:
    """`source` with the padded axes last: torch mirrors only there, and leaves one axis or two in front."""
    rest = [axis for axis in source.axes if axis not in padded]
    behind = [axis for axis in source.axes if axis in padded]
    while len(rest) > 2:
        behind.insert(0, rest.pop())
    if not rest or len(behind) > 3:
        raise UnsupportedOption("a mirror image along every axis", "paddings")
    return layer.arranged(source, (*rest, *behind))


def _symmetric(
    layer: LayerCall,
    source: Value,
    pairs: list[tuple[int, int]],
    padded: list[int],
    shape: tuple[int | None, ...],
) -> Value:
    """The edge itself is mirrored too, which torch has no mode for."""
    value = source
    for axis in padded:
        value = layer.bind(value)
        dim, (before, after) = value.torch_axis(axis), pairs[axis]
        extent = value.shape[axis]
        if extent is not None and max(before, after) > extent:
            raise UnsupportedOption(
                f"a mirror image of {max(before, after)} of {extent} elements", "paddings"
            )
        slots = ":, " * dim
        parts: list[str | Value] = ["["]
        if before:
            parts += [value, f"[{slots}:{before}].flip({dim}), "]
        parts.append(value)
        if after:
            parts += [", ", value, f"[{slots}-{after}:].flip({dim})"]
        joined = tuple(shape[each] if each <= axis else source.shape[each] for each in range(source.rank))
        code = call("torch.cat", Code((*parts, "]")), dim=dim)
        value = layer.value(code, joined, axes=source.axes, dtype=source.dtype)
    return value
