"""Categories as the vectors that an `output_mode` asks for."""

from __future__ import annotations

from keras2torch.emit.code import Value, call, index, method, template
from keras2torch.errors import UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float
from keras2torch.source.model import Generation

MODES = ("int", "one_hot", "multi_hot", "count")


def encoded(layer: LayerCall, x: Value, mode: str, count: int, weights: Value | None = None) -> Value:
    """Categories 0 to count - 1 as `mode` wants them: as they are, or as one vector for each or for each sample."""
    if mode == "int":
        return x
    x = layer.keras_layout(x)
    one_hot = layer.part("one_hot")
    if mode == "one_hot":
        if x.rank > 1 and x.shape[-1] == 1:
            x = layer.value(method(x, "squeeze", -1), x.shape[:-1], dtype=x.dtype)
        elif x.rank > 1 and layer.generation is not Generation.KERAS3:
            raise UnsupportedOption("one_hot of more than one category a sample", "output_mode")
        return as_float(layer, layer.value(call(one_hot, x, count), (*x.shape, count), dtype="bool"))
    if x.rank != 2:
        raise UnsupportedOption(f"{mode} of a tensor of shape {x.shape}: samples must be rows", "output_mode")
    shape = (x.shape[0], count)
    vectors = call(one_hot, x, count)
    if weights is not None:
        weights = as_float(layer, layer.keras_layout(weights))
        return layer.value(method(template("{} * {}", vectors, index(weights, "..., None")), "sum", 1), shape)
    return as_float(
        layer, layer.value(method(vectors, "any" if mode == "multi_hot" else "sum", 1), shape, dtype="int64")
    )
