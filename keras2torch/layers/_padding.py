"""What a layer's options say of windows that slide, and the sizes of transposed ones; see `operations._windows`."""

from __future__ import annotations

from keras2torch.errors import LayerRefused
from keras2torch.layers._call import LayerCall
from keras2torch.operations._windows import Window, apply, channels_first_value, short
from keras2torch.source.model import Generation
from keras2torch.source.theano import PADDED_BY_THEANO

__all__ = [
    "Window",
    "apply",
    "channels_first_value",
    "output_padding",
    "short",
    "transposed_window",
    "window",
]


def window(layer: LayerCall, rank: int, *, causal: bool) -> Window:
    """The window that a convolution's options describe."""
    options = layer.options
    modes = ("valid", "same", "causal") if causal else ("valid", "same")
    if layer.class_name in PADDED_BY_THEANO and layer.generation in (Generation.KERAS1, Generation.KERAS2):
        modes = (*modes, "half", "full")
    return Window(
        kernel=options.integers("kernel_size", count=rank),
        strides=options.integers("strides", count=rank, default=1),
        dilation=options.integers("dilation_rate", count=rank, default=1),
        padding=options.choice("padding", among=modes, default="valid"),
    )


def transposed_window(shape: Window, axis: int, output_padding: int | None) -> tuple[int, int]:
    """(crop at both ends, further elements at the end) that turn torch's transposed convolution into Keras's.

    torch yields (n-1)*s + e - 2*crop + added. A negative `added` is cut off behind.
    """
    stride, effective = shape.strides[axis], shape.effective(axis)
    if output_padding is not None:
        total_crop = 2 * (effective // 2) - output_padding if shape.padding == "same" else -output_padding
    elif shape.padding == "same":
        total_crop = effective - stride
    else:
        total_crop = effective - stride - max(effective - stride, 0)
    front = max(total_crop, 0) // 2 if shape.padding == "same" else 0
    return front, 2 * front - total_crop


def output_padding(shape: Window, axis: int, n: int | None, extent: int) -> int:
    """The `output_padding` under which Keras's transposed convolution of `n` steps is `extent` long.

    Raises `LayerRefused` where no convolution of that length yields `n` steps.
    """
    stride, effective = shape.strides[axis], shape.effective(axis)
    reached = extent if shape.padding == "same" else extent - effective + 1
    if n is None or n != -(-reached // stride):
        raise LayerRefused(f"an output of {extent} from an input of {n}")
    full = (n - 1) * stride + effective
    return extent - full + (2 * (effective // 2) if shape.padding == "same" else 0)
