"""Windows that slide: sizes, "same" padding and what torch needs for it.

TensorFlow's "same" (https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2): out = ceil(n/s), and of the
padding max((out-1)*s + (k-1)*d + 1 - n, 0) the smaller half goes in front. It depends on n, so where n is open the
padding is computed at run time.

Theano's (`border_mode` of `theano.tensor.nnet.conv2d`) does not: "half" pads half of the kernel on either side, after
which Keras cut off what was more than ceil(n/s), and "full" all of the kernel but one step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Code, Value, call
from keras2torch.errors import UnsupportedOption

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall


@dataclass(frozen=True)
class Window:
    """Kernel or pool size, stride and dilation an axis, and the padding mode of all."""

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilation: tuple[int, ...]
    padding: str

    def effective(self, axis: int) -> int:
        return (self.kernel[axis] - 1) * self.dilation[axis] + 1

    def output(self, n: int | None, axis: int) -> int | None:
        """Output extent for input extent `n`."""
        if n is None:
            return None
        if self.padding in ("same", "causal", "half"):
            return -(-n // self.strides[axis])
        length = (n + sum(self.before_after(n, axis)) - self.effective(axis)) // self.strides[axis] + 1
        if length < 1:
            raise UnsupportedOption(f"a window of {self.effective(axis)} does not fit in {n}", "kernel_size")
        return length

    def before_after(self, n: int, axis: int) -> tuple[int, int]:
        """Padding in front and behind for input extent `n`."""
        if self.padding == "valid":
            return 0, 0
        if self.padding == "causal":
            return self.effective(axis) - 1, 0
        if self.padding == "half":
            return self.effective(axis) // 2, (self.effective(axis) - 1) // 2
        if self.padding == "full":
            return self.effective(axis) - 1, self.effective(axis) - 1
        out = -(-n // self.strides[axis])
        total = max((out - 1) * self.strides[axis] + self.effective(axis) - n, 0)
        return total // 2, total - total // 2


def short(numbers: tuple[int, ...]) -> int | tuple[int, ...]:
    """One number where all are equal, as people write it."""
    return numbers[0] if len(set(numbers)) == 1 else numbers


def apply(
    layer: LayerCall, x: Value, shape: Window, *, fill: float = 0.0
) -> tuple[Value, int | str | tuple[int, ...] | None]:
    """Pad `x` (channels-first) as far as the module cannot do it itself; returns the `padding=` for the module.

    `fill` other than 0 is for poolings: their modules pad with it themselves when the padding is symmetric.
    """
    spatial = x.torch_shape[2:]
    rank = len(spatial)
    if shape.padding == "valid" and x.unpadded is not None and layer.called_once:
        bare, pads = x.unpadded
        fits = all(2 * pad <= size for pad, size in zip(pads, shape.kernel, strict=True))
        if fill == 0.0 or (fits and _is_never_negative(bare)):
            return bare, short(pads)
    if shape.padding == "valid":
        return x, None
    unit_stride = all(stride == 1 for stride in shape.strides)
    if shape.padding == "same" and unit_stride and fill == 0.0:
        if all(size == 1 for size in shape.kernel):
            return x, None
        if all(shape.effective(axis) % 2 for axis in range(rank)):
            return x, short(tuple(shape.effective(axis) // 2 for axis in range(rank)))
        return x, "same"
    pairs = _known(shape, spatial)
    if None not in pairs and all(pair is None or pair[0] == pair[1] for pair in pairs):
        fronts = tuple(pair[0] for pair in pairs if pair is not None)
        return x, short(fronts) if any(fronts) else None
    return padded(layer, x, shape, fill=fill), None


def padded(layer: LayerCall, x: Value, shape: Window, *, fill: float = 0.0) -> Value:
    """`x` (channels-first) with all of its padding round it."""
    spatial = x.torch_shape[2:]
    known = _known(shape, spatial)
    pairs = [pair for pair in known if pair is not None]
    settings: dict[str, Any] = {} if fill == 0.0 else {"value": fill}
    if len(pairs) < len(known):
        if any(n != 1 for n in shape.dilation):
            settings["dilation"] = shape.dilation
        code = call(layer.part("pad_same"), x, shape.kernel, shape.strides, **settings)
    elif any(number for pair in pairs for number in pair):
        code = call("F.pad", x, tuple(number for pair in reversed(pairs) for number in pair), **settings)
    else:
        return x
    extents = tuple(
        n if n is None or pair is None else n + sum(pair) for n, pair in zip(spatial, known, strict=True)
    )
    return channels_first_value(layer, code, x, x.torch_shape[1], extents)


def _known(shape: Window, spatial: tuple[int | None, ...]) -> list[tuple[int, int] | None]:
    """The padding of each axis, as far as it does not depend on an extent that is open."""
    if shape.padding != "same" or (all(stride == 1 for stride in shape.strides) and None in spatial):
        spatial = tuple(n if n is not None else 1 << 20 for n in spatial)
    return [shape.before_after(n, axis) if n is not None else None for axis, n in enumerate(spatial)]


def _is_never_negative(x: Value) -> bool:
    """Whether no maximum over `x` tells zeros round it from -inf."""
    return x.code is not None and x.code.parts[0] in ("F.relu", "F.relu6")


def channels_first_value(
    layer: LayerCall, code: Code, like: Value, channels: int | None, spatial: tuple[int | None, ...]
) -> Value:
    """A value whose torch shape is (N, channels, *spatial), in the same Keras data format as `like`."""
    torch_shape = (like.torch_shape[0], channels, *spatial)
    shape = tuple(torch_shape[like.axes.index(axis)] for axis in range(like.rank))
    return layer.value(code, shape, axes=like.axes)
