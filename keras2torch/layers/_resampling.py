"""The option that says how images are sampled. Both libraries hand it to `tf.image.resize`."""

from __future__ import annotations

from keras2torch.layers._call import LayerCall
from keras2torch.operations._resampling import KERNELS
from keras2torch.source.model import Generation

_IN_KERAS3 = ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5")


def interpolation(layer: LayerCall, default: str) -> str:
    """The option `interpolation`; tf_keras takes capital letters too."""
    if layer.generation is Generation.KERAS3:
        return layer.options.choice("interpolation", among=_IN_KERAS3, default=default)
    given = layer.options.take("interpolation", default=default)
    if isinstance(given, str) and given.lower() in KERNELS:
        return given.lower()
    return layer.options.choice("interpolation", among=KERNELS)
