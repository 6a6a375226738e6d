"""How a convolution, plain or transposed, becomes a module of `nn`.

Kernels: Keras stores (spatial..., in, out), torch (out, in, spatial...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from keras2torch.emit.code import Value, index
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers import _padding
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Generation
from keras2torch.weights import Weight

CONV = {1: "nn.Conv1d", 2: "nn.Conv2d", 3: "nn.Conv3d"}


def convolve(
    layer: LayerCall,
    x: Value,
    channels: int,
    filters: int,
    window: _padding.Window,
    state: dict[str, Weight],
    settings: dict[str, Any],
    *,
    use_bias: bool,
    suffix: str = "",
) -> Value:
    """`x` (channels-first) convolved. `state` and `settings`: kernel and options that are there already."""
    spatial = x.torch_shape[2:]
    out = tuple(window.output(n, i) for i, n in enumerate(spatial))
    x, padding = _padding.apply(layer, x, window)
    if any(n != 1 for n in window.strides):
        settings = {"stride": _padding.short(window.strides), **settings}
    if padding is not None:
        settings = {"padding": padding, **settings}
    if any(n != 1 for n in window.dilation):
        settings = {**settings, "dilation": _padding.short(window.dilation)}
    if use_bias:
        state = {**state, "bias": layer.weight("bias", filters)}
    else:
        settings = {**settings, "bias": False}
    conv = layer.module(
        CONV[len(spatial)],
        channels,
        filters,
        _padding.short(window.kernel),
        state=state,
        suffix=suffix,
        **settings,
    )
    return _padding.channels_first_value(layer, conv(x), x, filters, out)


def channels_of(x: Value, rank: int) -> int:
    """The channels of images with `rank` spatial axes, which `x` (channels-first) has to be."""
    if x.rank != rank + 2:
        raise LayerRefused(f"called on a tensor of shape {x.shape}")
    channels = x.torch_shape[1]
    if channels is None:
        raise LayerRefused("the number of input channels is not known")
    return channels


def transposed(layer: LayerCall, rank: int, extents: Sequence[int] | None = None) -> Value:
    """A transposed convolution, of the output size that Keras gives it or of spatial `extents`.

    Keras's output length and crop, per axis, with effective kernel e = (k-1)*d+1 and input length n.

    The full transposed convolution is (n-1)*s+e long. Keras keeps `out` of it: n*s for "same", n*s+max(e-s, 0) for
    "valid" (`compute_conv_transpose_output_length` in keras/src/backend/common), starting at max(full-out, 0)//2 for
    "same" and 0 for "valid", filled with zeros at the end where `out` is longer.
    """
    options = layer.options
    data_format = layer.data_format()
    x = layer.channels_first(layer.input, data_format)
    channels, filters = channels_of(x, rank), options.integer("filters")
    window = _padding.window(layer, rank, causal=False)
    options.ignore("groups")  # tf_keras writes what its base class takes, and does not use it here
    if rank == 3 and layer.generation is not Generation.KERAS3:
        window = replace(window, dilation=(1,) * rank)  # taken and stored, but not used
    if all(n > 1 for n in window.strides) and any(n > 1 for n in window.dilation):
        raise UnsupportedOption("strides and dilation_rate cannot both be above 1", "dilation_rate")
    extra = options.take("output_padding", default=None)
    paddings: tuple[int | None, ...] = (None,) * rank
    if extra is not None:
        paddings = options.integers("output_padding", count=rank, minimum=0)
    elif extents is not None:
        paddings = tuple(
            _padding.output_padding(window, axis, n, extent)
            for axis, (n, extent) in enumerate(zip(x.torch_shape[2:], extents, strict=True))
        )
    crops, additions, out = [], [], []
    for axis, n in enumerate(x.torch_shape[2:]):
        crop, added = _padding.transposed_window(window, axis, paddings[axis])
        crops.append(crop)
        additions.append(added)
        effective = window.effective(axis)
        out.append(None if n is None else (n - 1) * window.strides[axis] + effective - 2 * crop + added)
    kernel = layer.weight("kernel", *window.kernel, filters, channels)
    state = {"weight": kernel.transpose(rank + 1, rank, *range(rank))}
    use_bias = options.flag("use_bias", default=True)
    settings: dict[str, Any] = {"stride": _padding.short(window.strides)}
    if any(crops):
        settings["padding"] = _padding.short(tuple(crops))
    reach = [max(pair) for pair in zip(window.strides, window.dilation, strict=True)]
    if any(added >= limit for added, limit in zip(additions, reach, strict=True)):
        raise UnsupportedOption(
            "the output is longer than the transposed convolution reaches", "output_padding"
        )
    if any(added > 0 for added in additions):
        settings["output_padding"] = _padding.short(tuple(max(added, 0) for added in additions))
    if any(n != 1 for n in window.dilation):
        settings["dilation"] = _padding.short(window.dilation)
    if use_bias:
        state["bias"] = layer.weight("bias", filters)
    else:
        settings["bias"] = False
    conv = layer.module(
        f"nn.ConvTranspose{rank}d", channels, filters, _padding.short(window.kernel), state=state, **settings
    )
    code = conv(x)
    if any(added < 0 for added in additions):
        code = index(code, ", ".join([":", ":", *(f":{added}" if added < 0 else ":" for added in additions)]))
    return layer.activation(_padding.channels_first_value(layer, code, x, filters, tuple(out)))
