"""Keras family "core": inputs, dense layers, embeddings, masking."""

from __future__ import annotations

from typing import Any

from keras2torch.emit.code import Value, index, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import FeatureAxis, Masks, converts, example


@converts("InputLayer", examples=[example((4,)), example((6, 5, 3))])
def input_layer(layer: LayerCall) -> Value:
    """An argument of `forward`; rank 4 and 5 arrive channels-first unless `--io-layout keras`."""
    options = layer.options
    shape = _input_shape(options.take("batch_shape", "batch_input_shape"))
    if options.take("sparse", default=False) or options.take("ragged", default=False):
        raise UnsupportedOption("sparse and ragged inputs have no torch tensor", "sparse")
    options.ignore("optional")
    dtype = options.take("dtype", "input_dtype", default=None) or "float32"
    if not isinstance(dtype, str):
        dtype = "float32"
    if dtype == "string":
        raise UnsupportedOption("string inputs have no torch tensor", "dtype")
    return layer.model_input(shape, dtype)


def _input_shape(value: Any) -> Shape:
    if not isinstance(value, list | tuple) or not value:
        raise LayerRefused(f"input shape {value!r}")
    for extent in value:
        if extent is not None and (isinstance(extent, bool) or not isinstance(extent, int) or extent < 1):
            raise LayerRefused(f"input shape {list(value)!r}")
    return (None, *value[1:])


@converts(
    "Dense",
    examples=[
        example((5,), units=4),
        example((5,), units=4, use_bias=False, activation="relu"),
        example((7, 5), units=3, activation="softmax"),
        example((4, 6, 5), units=3, activation="tanh"),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.ABSORBS,
)
def dense(layer: LayerCall) -> Value:
    """`nn.Linear`, kernel transposed; behind a folded Flatten its columns stand in (C, H, W) order."""
    x, options = layer.input, layer.options
    units = options.integer("units", "output_dim")
    features = x.shape[-1]
    if features is None:
        raise LayerRefused("the number of input features is not known")
    if x.rank > 2 or x.order is None:
        x = layer.keras_layout(x)
    settings: dict[str, Any] = {}
    state = {"weight": layer.weight("kernel", features, units).transpose(1, 0).in_order(x.order)}
    if options.flag("use_bias", default=True):
        state["bias"] = layer.weight("bias", units)
    else:
        settings["bias"] = False
    linear = layer.module("nn.Linear", features, units, state=state, **settings)
    return layer.activation(layer.value(linear(x), (*x.shape[:-1], units)))


@converts(
    "Embedding",
    examples=[
        example((6,), input_dim=11, output_dim=4, _integers_below=11),
        example((6,), input_dim=11, output_dim=4, mask_zero=True, _integers_below=11),
    ],
    masks=Masks.HANDLE,
)
def embedding(layer: LayerCall) -> Value:
    """`nn.Embedding`; with `mask_zero`, id 0 masks its step for the layers behind."""
    ids, options = layer.input, layer.options
    if ids.mask is not None:
        raise LayerRefused("called on ids that carry a mask already")
    count = options.integer("input_dim")
    size = options.integer("output_dim")
    options.ignore("weights")
    if not ids.dtype.startswith(("int", "uint")):
        ids = layer.like(ids, method(ids, "long"), dtype="int64")
    table = layer.module(
        "nn.Embedding", count, size, state={"weight": layer.weight("embeddings", count, size)}
    )
    vectors = layer.value(table(ids), (*ids.shape, size))
    if options.flag("mask_zero", default=False):
        mask = layer.like(ids, template("{} != 0", layer.input), dtype="bool")
        mask.hint = "mask"
        vectors.mask = layer.bind(mask, optional=True)
    return vectors


@converts("Masking", examples=[example((6, 3)), example((6, 3), mask_value=0.5)], masks=Masks.HANDLE)
def masking(layer: LayerCall) -> Value:
    """Zeroes the steps whose features all equal `mask_value`, and masks them for the layers behind."""
    x = layer.bind(layer.keras_layout(layer.input))
    value = layer.options.number("mask_value", default=0.0)
    mask = layer.value(
        method(layer.value(template("{} != {}", x, value), x.shape), "any", dim=-1),
        x.shape[:-1],
        dtype="bool",
        hint="mask",
    )
    layer.bind(mask)
    result = layer.like(x, template("{} * {}", x, index(mask, "..., None")))
    result.mask = mask
    return result


@converts(
    "Activation",
    examples=[
        *[
            example((5,), activation=name)
            for name in (
                "relu",
                "tanh",
                "sigmoid",
                "softmax",
                "elu",
                "selu",
                "softplus",
                "softsign",
                "linear",
            )
        ],
        *[
            example((6, 5, 3), activation=name)
            for name in ("hard_sigmoid", "exponential", "swish", "gelu", "softmax", "mish")
        ],
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def activation(layer: LayerCall) -> Value:
    """The function of that name in `torch` or `torch.nn.functional`."""
    return layer.activation(layer.input)


@converts("Identity", examples=[example((5,))], masks=Masks.HANDLE, feature_axis=FeatureAxis.KEEPS)
def identity(layer: LayerCall) -> Value:
    """Nothing: the input goes on as it is."""
    return layer.input
