"""Images of another size: which function samples as a Keras interpolation does.

Both libraries hand this to `tf.image.resize`: half-pixel centres, and no weight for pixels beyond the edge.
"""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Argument, Code, Value, call
from keras2torch.layers._call import LayerCall
from keras2torch.source.model import Generation

_IN_KERAS3 = ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5")
_BEFORE = (*_IN_KERAS3, "gaussian", "mitchellcubic")


def interpolation(layer: LayerCall, default: str) -> str:
    """The option `interpolation`; tf_keras takes capital letters too."""
    if layer.generation is Generation.KERAS3:
        return layer.options.choice("interpolation", among=_IN_KERAS3, default=default)
    given = layer.options.take("interpolation", default=default)
    if isinstance(given, str) and given.lower() in _BEFORE:
        return given.lower()
    return layer.options.choice("interpolation", among=_BEFORE)


def resized(
    layer: LayerCall, x: Value | Code, size: Argument, kernel: str, *, antialias: bool = False
) -> Code:
    """`x`, images (N, C, H, W), at `size`: (height, width) as numbers, or an expression for both."""
    if kernel == "nearest":
        return call("F.interpolate", x, size, mode="nearest-exact")
    extra: dict[str, Any] = {"antialias": True} if antialias and kernel != "area" else {}
    if kernel == "bilinear" or (kernel == "bicubic" and antialias):
        # Only with antialiasing is torch's bicubic kernel Keys's with a = -1/2, which TensorFlow's always is.
        return call("F.interpolate", x, size, mode=kernel, **extra)
    return call(layer.part("resample"), x, size, kernel, **extra)
