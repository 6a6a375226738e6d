"""Keras family "audio": spectrograms."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras2torch.emit.code import Value, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float
from keras2torch.layers._constants import constant
from keras2torch.layers._registry import ONLY_KERAS3, converts, example
from keras2torch.source.model import Array

_LARGEST_TRANSFORM = 1 << 20
_SMALL: dict[str, Any] = {"frame_length": 8, "window": None}
_MODES = ("log", "magnitude", "psd", "real", "imag", "angle", "stft")


@converts(
    "STFTSpectrogram",
    examples=[
        example((40, 2), **_SMALL, frame_step=3, fft_length=16),
        example((41, 2), **_SMALL, frame_step=3, padding="same", mode="psd", expand_dims=True),
        example((2, 40), **_SMALL, frame_step=3, mode="magnitude", data_format="channels_first"),
        example(
            (2, 40), **_SMALL, padding="same", mode="stft", data_format="channels_first", expand_dims=True
        ),
        *[example((30, 1), **_SMALL, mode=mode) for mode in ("real", "imag", "angle")],
    ],
    generations=ONLY_KERAS3,
)
def stft_spectrogram(layer: LayerCall) -> Value:
    """A convolution with the stored sines and cosines, and what `mode` makes of both."""
    options, data_format = layer.options, layer.data_format()
    x = layer.input
    if x.rank != 3:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected (steps, channels)")
    x = as_float(layer, layer.channels_first(x, data_format))
    channels, steps = (x.shape[axis] for axis in x.axes[1:])
    if channels is None:
        raise LayerRefused("the number of channels is not known")
    frame = options.integer("frame_length", default=256, maximum=_LARGEST_TRANSFORM)
    step = _or(layer, "frame_step", frame // 2)
    length = _or(layer, "fft_length", 1 << (frame - 1).bit_length())
    options.ignore("window", "periodic", "scaling")  # they are in the kernels
    mode = options.choice("mode", among=_MODES, default="log")
    same = options.choice("padding", among=("valid", "same"), default="valid") == "same"
    frequencies = length // 2 + 1
    state = {}
    for kernel, unused in (("real_kernel", "imag"), ("imag_kernel", "real")):
        if mode != unused:
            state[kernel] = layer.weight(kernel, frame, 1, frequencies).transpose(2, 1, 0)
    padding: dict[str, Any] = {"same": True} if same else {}
    spectrogram = layer.module(
        layer.part("STFTSpectrogram"), frame, step, frequencies, mode, state=state, **padding
    )
    frames = None if steps is None else -(-steps // step) if same else (steps - frame) // step + 1
    rows = frequencies * 2 if mode == "stft" else frequencies
    code = spectrogram(x)
    # torch has (N, channels, frequencies, frames) in either format.
    last = data_format == "channels_last"
    if options.flag("expand_dims", default=False):
        shape = (x.shape[0], frames, rows, channels) if last else (x.shape[0], channels, frames, rows)
        return layer.value(code, shape, axes=(0, 3, 2, 1) if last else (0, 1, 3, 2))
    shape3 = (x.shape[0], frames, channels * rows) if last else (x.shape[0], channels * rows, frames)
    return layer.value(method(code, "flatten", 1, 2), shape3, axes=(0, 2, 1) if last else (0, 1, 2))


def _or(layer: LayerCall, option: str, default: int) -> int:
    if layer.options.take(option, default=None) is None:
        return default
    return layer.options.integer(option, maximum=_LARGEST_TRANSFORM)


@converts(
    "MelSpectrogram",
    examples=[
        example((300,), fft_length=64, sequence_stride=20, num_mel_bins=6, sampling_rate=2000),
        example(
            (200,),
            fft_length=64,
            sequence_length=50,
            sequence_stride=20,
            num_mel_bins=5,
            sampling_rate=2000,
            max_freq=900.0,
            window="hamming",
            power_to_db=False,
            mag_exp=1.0,
        ),
        example(
            (200,),
            fft_length=64,
            sequence_length=33,
            sequence_stride=30,
            num_mel_bins=5,
            sampling_rate=2000,
            top_db=10.0,
        ),
    ],
    generations=ONLY_KERAS3,
)
def mel_spectrogram(layer: LayerCall) -> Value:
    """`torch.stft`, bands on the mel scale, decibels."""
    options = layer.options
    x = as_float(layer, layer.input)
    if x.rank != 2:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected one sound a sample")
    length = options.integer("fft_length", default=2048, maximum=_LARGEST_TRANSFORM)
    stride = options.integer("sequence_stride", default=512, maximum=_LARGEST_TRANSFORM)
    sequence = _or(layer, "sequence_length", length)
    if sequence > length:
        raise UnsupportedOption("sequence_length is more than fft_length", "sequence_length")
    count = options.integer("num_mel_bins", default=128, maximum=_LARGEST_TRANSFORM)
    rate = options.number("sampling_rate", default=16000, minimum=1.0)
    low = options.number("min_freq", default=20.0, minimum=0.0)
    high = (
        int(rate / 2)
        if not options.take("max_freq", default=None)
        else options.number("max_freq", minimum=1.0)
    )
    kind = options.choice("window", among=("hann", "hamming"), default="hann")
    exponent = options.number("mag_exp", default=2.0)
    steps = x.shape[1]
    if steps is not None and steps <= length // 2:
        raise LayerRefused("called on a sound that is too short to be reflected")
    state = {
        "window": constant(_window(kind, sequence)),
        "bands": constant(_mel_bands(length, count, rate, low, high)),
    }
    settings: dict[str, Any] = {}
    if options.flag("power_to_db", default=True):
        settings["decibels"] = (
            options.number("ref_power", default=1.0),
            options.number("min_power", default=1e-10, minimum=1e-45),
            options.number("top_db", default=80.0),
        )
        layer.warn(
            "raises quiet values to a level that depends on the loudest value of the whole batch, as in Keras"
        )
    else:
        options.ignore("ref_power", "min_power", "top_db")
    if exponent != 2:
        settings = {"exponent": exponent, **settings}
    module = layer.module(
        layer.part("MelSpectrogram"), length, sequence, stride, count, state=state, **settings
    )
    # Reflection adds half a transform at either end.
    frames = None if steps is None else (steps + 2 * (length // 2) - length) // stride + 1
    return layer.value(module(layer.keras_layout(x)), (x.shape[0], count, frames))


def _window(kind: str, length: int) -> Array:
    """Hann's or Hamming's window as TensorFlow makes them: periodic where the length is even, else symmetric."""
    if length == 1:
        return np.ones(1)
    share = 0.5 if kind == "hann" else 0.54
    period = length if length % 2 == 0 else length - 1
    window: Array = share - (1 - share) * np.cos(2 * np.pi * np.arange(length) / period)
    return window


def _mel_bands(length: int, count: int, rate: float, low: float, high: float) -> Array:
    """Triangles of height 1 that are evenly spaced on the mel scale (HTK: 1127 ln(1 + f / 700)), (frequencies, count).

    The lowest frequency is in none.
    """
    if not low < high:
        raise UnsupportedOption("max_freq is not above min_freq", "max_freq")

    def mel(hertz: Any) -> Any:
        return 1127.0 * np.log1p(hertz / 700.0)

    at = mel(np.linspace(0.0, rate / 2, length // 2 + 1)[1:, None])
    edges = np.linspace(mel(low), mel(high), count + 2)
    rising = (at - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at) / (edges[2:] - edges[1:-1])
    return np.pad(np.maximum(np.minimum(rising, falling), 0.0), ((1, 0), (0, 0)))
