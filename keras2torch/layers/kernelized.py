"""Keras family "kernelized": features whose products approximate a kernel function."""

from __future__ import annotations

from keras2torch.emit.code import Value
from keras2torch.errors import LayerRefused
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import Generations, converts, example
from keras2torch.source.model import Generation

_ONLY_TF_KERAS: Generations = frozenset({Generation.TF_KERAS})


@converts(
    "RandomFourierFeatures",
    examples=[example((5,), output_dim=4), example((5,), output_dim=3, trainable=False)],
    generations=_ONLY_TF_KERAS,
)
def random_fourier_features(layer: LayerCall) -> Value:
    """The cosine of a linear map with a trained scale, as a part."""
    x, units = layer.input, layer.options.integer("output_dim")
    # What the scale was at first; it is stored with the weights.
    layer.options.ignore("scale")
    if x.rank != 2 or x.shape[1] is None:
        raise LayerRefused(f"called on a tensor of shape {x.shape}, expected (batch, features)")
    # Keras makes the scale last, but stores it first, being the only one that is trained.
    scale = layer.weight("kernel_scale", 1)
    kernel = layer.weight("unscaled_kernel", x.shape[1], units, trainable=False)
    bias = layer.weight("bias", units, trainable=False)
    state = {"weight": kernel.transpose(1, 0), "bias": bias, "scale": scale}
    module = layer.module(layer.part("RandomFourierFeatures"), x.shape[1], units, state=state)
    return layer.value(module(x), (x.shape[0], units))
