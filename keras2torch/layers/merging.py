"""Keras family "merging": several tensors become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from keras2torch.emit.code import Code, Value, call, expression, index, method, template
from keras2torch.emit.order import FeatureOrder, Segment, plain
from keras2torch.errors import LayerRefused, UnsupportedMask, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation

_TWO = [
    example((4,), (4,)),
    example((3, 4, 2), (3, 4, 2)),
    example((5, 3), (3,)),
    example((4, 3, 2), (1, 1, 2)),
]
_THREE = [*_TWO, example((4, 3), (4, 3), (4, 3)), example((4, 3), _only=Generation.KERAS3)]
_MEAN = ("GlobalAveragePooling1D", dict[str, Any]())
_MASKED = example((5, 3), (5, 3), _masked=True, _behind=_MEAN)

Combine = Callable[[Sequence[Value]], Code]


@converts("Add", examples=[*_THREE, _MASKED], masks=Masks.HANDLE)
def add(layer: LayerCall) -> Value:
    """`+`."""
    return _elementwise(layer, lambda values: template(" + ".join(["{}"] * len(values)), *values))


@converts("Subtract", examples=_TWO, masks=Masks.HANDLE)
def subtract(layer: LayerCall) -> Value:
    """`-`."""
    if len(layer.inputs) != 2:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors, expected two")
    return _elementwise(layer, lambda values: template("{} - {}", *values))


@converts(
    "Multiply",
    examples=[
        *_THREE,
        _MASKED,
        example((4, 3), _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
)
def multiply(layer: LayerCall) -> Value:
    """`*`; in Keras 3 a masked step counts as one, and is zero where every tensor masks it."""
    masks = _masks_of_steps(layer)
    if any(masks):
        return _masked_product(layer, masks)
    return _elementwise(layer, lambda values: template(" * ".join(["{}"] * len(values)), *values))


@converts("Average", examples=_THREE, masks=Masks.HANDLE)
def average(layer: LayerCall) -> Value:
    """The sum divided by the number of tensors."""
    return _elementwise(
        layer, lambda values: template(f"({' + '.join(['{}'] * len(values))}) / {len(values)}", *values)
    )


@converts("Maximum", examples=[*_THREE, _MASKED], masks=Masks.HANDLE)
def maximum(layer: LayerCall) -> Value:
    """`torch.maximum`, one after the other; in Keras 3 a tensor counts only at steps that it does not mask."""
    return _extreme(layer, "torch.maximum")


@converts("Minimum", examples=[*_THREE, _MASKED], masks=Masks.HANDLE)
def minimum(layer: LayerCall) -> Value:
    """`torch.minimum`, one after the other; in Keras 3 a tensor counts only at steps that it does not mask."""
    return _extreme(layer, "torch.minimum")


def _extreme(layer: LayerCall, function: str) -> Value:
    masks = _masks_of_steps(layer)
    if any(masks) and len(layer.inputs) > 1:
        return _masked_extreme(layer, function, masks)
    return _elementwise(layer, lambda values: _chain(function, values))


def _masks_of_steps(layer: LayerCall) -> list[Value | None]:
    """What Keras 3 multiplies and compares by: the mask of each input. One that is given more axes loses it."""
    if layer.generation is not Generation.KERAS3:
        return [None] * len(layer.inputs)
    rank = max(value.rank for value in layer.inputs)
    masks = [value.mask if value.rank == rank else None for value in layer.inputs]
    if any(mask is not None and mask.rank != rank - 1 for mask in masks):
        raise UnsupportedMask(f"a mask of fewer axes than tensors of rank {rank} have before the last")
    return masks


def _masked_product(layer: LayerCall, masks: Sequence[Value | None]) -> Value:
    values = [layer.keras_layout(value) for value in _same_rank(layer, layer.inputs)]
    merged = _merged_mask(layer, layer.inputs)
    # Where every tensor has the same mask, what stands at masked steps is zero in the end.
    filled = [
        value if mask is None or mask is merged else call("torch.where", _of_features(mask), value, 1.0)
        for value, mask in zip(values, masks, strict=True)
    ]
    code: Value | Code = template(" * ".join(["{}"] * len(filled)), *filled)
    if merged is not None:
        code = call("torch.where", _of_features(merged), code, 0.0)
    result = layer.value(
        expression(code), _broadcast([value.shape for value in values]), dtype=values[0].dtype
    )
    result.mask = merged
    return result


def _masked_extreme(layer: LayerCall, function: str, masks: Sequence[Value | None]) -> Value:
    values = [layer.keras_layout(value) for value in _same_rank(layer, layer.inputs)]
    shape = _broadcast([value.shape for value in values])
    so_far, valid = values[0], masks[0]

    def bound(code: Code) -> Value:
        return layer.bind(layer.value(code, shape, dtype=values[0].dtype))

    for value, mask in zip(values[1:], masks[1:], strict=True):
        so_far = layer.bind(so_far)
        if mask is not None and mask is valid:
            code = call("torch.where", _of_features(mask), call(function, so_far, value), so_far)
            so_far = layer.value(code, shape, dtype=values[0].dtype)
            continue
        if mask is not None:
            value = bound(call("torch.where", _of_features(mask), value, so_far))  # noqa: PLW2901
        if valid is not None:
            so_far = bound(call("torch.where", _of_features(valid), so_far, value))
        valid = None if mask is None or valid is None else _all_or_any(layer, [valid, mask])
        so_far = layer.value(call(function, so_far, value), shape, dtype=values[0].dtype)
    so_far.mask = _merged_mask(layer, layer.inputs)
    return so_far


def _of_features(mask: Value) -> Code:
    return index(mask, "..., None")


def _chain(function: str, values: Sequence[Value]) -> Code:
    code: Value | Code = values[0]
    for value in values[1:]:
        code = call(function, code, value)
    return expression(code)


def _elementwise(layer: LayerCall, combine: Combine) -> Value:
    if len(layer.inputs) < 2:
        return layer.input  # Keras 3 allows lists of one
    values = _same_rank(layer, layer.inputs)
    shape = _broadcast([value.shape for value in values])
    dtypes = {value.dtype for value in values}
    dtype = dtypes.pop() if len(dtypes) == 1 else "float32"
    result = layer.value(combine(values), shape, axes=values[0].axes, dtype=dtype)
    result.mask = _merged_mask(layer, layer.inputs)
    return result


def _same_rank(layer: LayerCall, inputs: Sequence[Value]) -> list[Value]:
    """Keras gives tensors of lower rank new axes right behind the batch: (N, 4) with (N, 3, 4) becomes (N, 1, 4)."""
    rank = max(value.rank for value in inputs)
    if all(value.rank == rank for value in inputs):
        return layer.bring_together(inputs)
    raised = []
    for given in inputs:
        value = layer.keras_layout(given)
        missing = rank - value.rank
        if missing:
            slots = ", ".join([":", *["None"] * missing])
            shape = (value.shape[0], *(1,) * missing, *value.shape[1:])
            raised.append(layer.value(index(value, slots), shape))
        else:
            raised.append(value)
    return raised


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    result: list[int | None] = []
    for extents in zip(*shapes, strict=True):
        sizes = {n for n in extents if n not in (1, None)}
        if len(sizes) > 1:
            raise LayerRefused(f"shapes {', '.join(map(str, shapes))} do not broadcast")
        result.append(sizes.pop() if sizes else None if None in extents else 1)
    return tuple(result)


def _merged_mask(layer: LayerCall, inputs: Sequence[Value]) -> Value | None:
    """Keras 1 and 2 join masks with AND, an unmasked input counting as all true; Keras 3 with OR, and drops them all
    as soon as one input has none.
    """
    masks = [value.mask for value in inputs if value.mask is not None]
    if not masks or (layer.generation is Generation.KERAS3 and len(masks) < len(inputs)):
        return None
    if any(mask.rank != masks[0].rank for mask in masks):
        raise UnsupportedMask("masks of different rank meet")
    return _all_or_any(layer, masks)


def _all_or_any(layer: LayerCall, masks: Sequence[Value]) -> Value:
    """A step counts where it does in all masks (Keras 1 and 2) or in any (Keras 3)."""
    if all(mask is masks[0] for mask in masks):
        return masks[0]
    sign = " | " if layer.generation is Generation.KERAS3 else " & "
    code = template(sign.join(["{}"] * len(masks)), *masks)
    shape = _broadcast([mask.shape for mask in masks])
    return layer.bind(layer.value(code, shape, dtype="bool", hint="mask"), optional=True)


@converts(
    "Concatenate",
    examples=[
        example((4,), (3,)),
        example((3, 4, 2), (3, 4, 5)),
        example((3, 4, 2), (2, 4, 2), axis=1),
        example((5, 3), (5, 2), (5, 1)),
        example((2, 3, 4), (5, 3, 4), axis=1),
        example((4, 3), _only=Generation.KERAS3),
        example((5, 3), (5, 2), _masked=True, _behind=_MEAN),
        example((5, 3), (4, 3), axis=1, _masked=True, _behind=_MEAN),
        example((5, 2, 3), (5, 2, 4), _masked=True),
    ],
    masks=Masks.HANDLE,
    feature_axis=FeatureAxis.KEEPS,
)
def concatenate(layer: LayerCall) -> Value:
    """`torch.cat` along the axis where Keras's axis stands."""
    inputs = layer.inputs
    axis = layer.options.integer("axis", default=-1, minimum=-8, maximum=7)
    if len(inputs) < 2:
        return layer.input  # Keras 3 allows lists of one
    rank = inputs[0].rank
    if any(value.rank != rank for value in inputs) or not -rank <= axis < rank or axis % rank == 0:
        raise UnsupportedOption(f"concatenation of {len(inputs)} tensors along axis {axis}", "axis")
    given, axis = axis, axis % rank
    values = layer.bring_together(inputs)
    extents = [value.shape[axis] for value in values]
    total = None if None in extents else sum(n or 0 for n in extents)
    rest = _broadcast([(*value.shape[:axis], 1, *value.shape[axis + 1 :]) for value in values])
    shape = (*rest[:axis], total, *rest[axis + 1 :])
    code = call("torch.cat", list_of(values), dim=values[0].torch_axis(axis))
    result = layer.value(code, shape, axes=values[0].axes)
    if any(value.order for value in values):
        segments = [
            segment
            for value in values
            for segment in (value.order.segments if value.order else _plain(value))
        ]
        result.order = FeatureOrder(tuple(segments))
    if any(value.mask for value in inputs):
        result.mask = _joined_mask(layer, inputs, given)
    return result


def _plain(value: Value) -> tuple[Segment, ...]:
    if value.shape[-1] is None:
        raise LayerRefused("an open number of features beside flattened ones")
    return (plain(value.shape[-1]),)


def list_of(values: Sequence[Value]) -> Code:
    """`[a, b, c]`."""
    parts: list[str | Value] = ["["]
    for position, value in enumerate(values):
        parts += [", ", value] if position else [value]
    return Code((*parts, "]"))


def _joined_mask(layer: LayerCall, inputs: Sequence[Value], axis: int) -> Value:
    """The masks joined along an axis that they have; along any other, a step counts as in other merges."""
    rank = inputs[0].rank
    masks = [value.mask or _no_mask(layer, value) for value in inputs]
    if any(mask.rank != masks[0].rank for mask in masks):
        raise UnsupportedMask("masks of different rank meet")
    own = masks[0].rank
    if own < rank - 1:
        # Keras gives these masks one more axis and joins them along the same `axis`, counted as it is written.
        if layer.generation is Generation.KERAS3 or not -own - 1 <= axis <= own or (axis < -1):
            raise UnsupportedMask(f"masks of rank {own} meet a concatenation along axis {axis}")
        along = axis % (own + 1)
    else:
        along = axis % rank
    if along == own:
        return _all_or_any(layer, masks)
    shape = tuple(None if i == along else n for i, n in enumerate(masks[0].shape))
    code = call("torch.cat", list_of(masks), dim=along)
    return layer.bind(layer.value(code, shape, dtype="bool", hint="mask"), optional=True)


def _no_mask(layer: LayerCall, value: Value) -> Value:
    """Every step of an unmasked input counts."""
    full = call("torch.ones_like", index(layer.keras_layout(value), "..., 0"), dtype=_BOOL)
    return layer.value(full, value.shape[:-1], dtype="bool", hint="mask")


_BOOL = Code(("torch.bool",))


@converts(
    "Dot",
    examples=[
        example((4,), (4,), axes=1),
        example((5, 3), (5, 4), axes=1),
        example((3, 5), (4, 5), axes=2),
        example((5, 3), (4, 5), axes=[1, 2]),
        example((3, 5), (4, 5), axes=-1, normalize=True),
        example((4,), (3, 4), axes=[1, 2]),
        example((2, 5, 3), (4, 5), axes=[2, 2]),
        example((2, 3, 5), (3, 5, 2), axes=[1, -1], normalize=True),
    ],
    masks=Masks.STOP,
)
def dot(layer: LayerCall) -> Value:
    """A batched product that sums over one axis of each tensor."""
    if len(layer.inputs) != 2:
        raise LayerRefused(f"called on {len(layer.inputs)} tensors, expected two")
    left, right = (layer.keras_layout(value) for value in layer.inputs)
    if left.rank < 2 or right.rank < 2 or left.rank + right.rank > len(_LETTERS):
        raise LayerRefused(f"called on tensors of shape {left.shape} and {right.shape}")
    if max(left.rank, right.rank) > 3 and layer.generation in (Generation.KERAS1, Generation.KERAS2):
        raise LayerRefused(
            "of tensors of rank 4 and more, Keras 2.3 changed the product; the file cannot tell"
        )
    axes = layer.options.integers("axes", count=2, minimum=-max(left.rank, right.rank))
    first, second = axes[0] % left.rank, axes[1] % right.rank
    if first == 0 or second == 0 or left.shape[first] != right.shape[second]:
        raise UnsupportedOption(f"axes {list(axes)} of {left.shape} and {right.shape}", "axes")
    if layer.options.flag("normalize", default=False):
        left, right = _unit(layer, left, first), _unit(layer, right, second)
    letters = ["n" + _LETTERS[: left.rank - 1], "n" + _LETTERS[left.rank : left.rank + right.rank - 1]]
    letters = [letters[0].replace(letters[0][first], "k"), letters[1].replace(letters[1][second], "k")]
    kept = "".join(letter for letter in letters[0][1:] + letters[1][1:] if letter != "k")
    shape = tuple(
        extent
        for value, axis in ((left, first), (right, second))
        for i, extent in enumerate(value.shape)
        if i not in (0, axis)
    )
    if not kept:  # Keras keeps a last axis of one
        code = method(template("{} * {}", left, right), "sum", dim=1, keepdim=True)
        return layer.value(code, (left.shape[0], 1))
    code = call("torch.einsum", f"{letters[0]}, {letters[1]} -> n{kept}", left, right)
    return layer.value(code, (left.shape[0], *shape))


_LETTERS = "abcdefghijlmopqrst"  # without k, which is summed over, and n, the batch


def _unit(layer: LayerCall, value: Value, axis: int) -> Value:
    # tf.math.l2_normalize: x * rsqrt(max(sum(x^2), 1e-12)); Keras 3 clamps far lower, at the norm itself.
    value = layer.bind(value)
    if layer.generation is Generation.KERAS3:
        return layer.like(value, call("F.normalize", value, dim=axis))
    square = call("torch.clamp", method(template("{} ** 2", value), "sum", dim=axis, keepdim=True), min=1e-12)
    return layer.like(value, template("{} * {}", value, call("torch.rsqrt", square)))
