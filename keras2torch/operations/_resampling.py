"""Images of another size: which function samples as `tf.image.resize` does.

Half-pixel centres, and no weight for pixels beyond the edge.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras2torch.emit.code import Argument, Code, Value, call

if TYPE_CHECKING:
    from keras2torch.layers._call import LayerCall

KERNELS = ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic")
"""Every interpolation that `tf.image.resize` has."""


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
