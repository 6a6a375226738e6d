"""Keras family "core": inputs, dense layers, embeddings, masking."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from keras2torch.emit.code import Value, call, index, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.graph.model import Shape
from keras2torch.layers._call import LayerCall
from keras2torch.layers._registry import ONLY_KERAS3, SINCE_TF_KERAS, FeatureAxis, Masks, converts, example
from keras2torch.source.model import Generation


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
        example((4, 5), units=3, activation="PReLU", _only=Generation.TF_KERAS),
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
        *[example((4, 3), activation=name) for name in ("leaky_relu", "relu6", "log_softmax", "silu")],
        *[
            example((5, 4), activation=name, _only=Generation.KERAS3)
            for name in (
                "celu",
                "glu",
                "hard_shrink",
                "hard_silu",
                "hard_tanh",
                "log_sigmoid",
                "soft_shrink",
                "sparse_plus",
                "sparse_sigmoid",
                "sparsemax",
                "squareplus",
                "tanh_shrink",
            )
        ],
        example((5,), activation="LeakyReLU", _only=Generation.TF_KERAS),
        example(
            (5,),
            activation={"class_name": "LeakyReLU", "config": {"alpha": 0.1}},
            _only=Generation.TF_KERAS,
        ),
        example(
            (5,),
            activation={
                "module": "keras.layers",
                "class_name": "LeakyReLU",
                "config": {"negative_slope": 0.1},
                "registered_name": None,
            },
            _only=Generation.KERAS3,
        ),
    ],
    masks=Masks.PASS,
    feature_axis=FeatureAxis.KEEPS,
)
def activation(layer: LayerCall) -> Value:
    """The function of that name in `torch` or `torch.nn.functional`."""
    return layer.activation(layer.input)


@converts(
    "Identity",
    examples=[example((5,)), example((5, 3), _masked=True)],
    masks=Masks.HANDLE,
    feature_axis=FeatureAxis.KEEPS,
    generations=SINCE_TF_KERAS,
)
def identity(layer: LayerCall) -> Value:
    """Nothing: the input goes on as it is (before Keras 3, without its mask)."""
    x = layer.input
    if x.mask is None or layer.generation is Generation.KERAS3:
        return x
    return layer.like(x, template("{}", x))


@converts(
    "EinsumDense",
    examples=[
        example((5,), equation="ab,bc->ac", output_shape=4),
        example((6, 5), equation="abc,cd->abd", output_shape=[None, 4], bias_axes="d", activation="relu"),
        example((6, 5), equation="...x,xy->...y", output_shape=4, bias_axes="y", activation="softmax"),
        example((6, 5), equation="abc,cde->abde", output_shape=[None, 3, 2], bias_axes="de"),
        example((6, 3, 2), equation="abcd,cde->abe", output_shape=[None, 7], bias_axes="e"),
        example((6, 5), equation="abc,bd->adc", output_shape=[4, 5], bias_axes="d"),
        example((6, 5, 3), equation="ab...,bc->ac...", output_shape=4, bias_axes="c"),
        example((4, 5, 3), equation="...xy,xyz->...zx", output_shape=[2, 5], bias_axes="zx"),
    ],
    masks=Masks.STOP,
    generations=SINCE_TF_KERAS,
    since=4,
)
def einsum_dense(layer: LayerCall) -> Value:
    """`nn.Linear` where the equation means that; else a part round `torch.einsum`."""
    x, options = layer.keras_layout(layer.input), layer.options
    equation = options.take("equation")
    bias_axes = options.take("bias_axes", default=None) or ""
    spec = _einsum(equation, bias_axes, x.shape, options.take("output_shape"))
    kernel = layer.weight("kernel", *spec.kernel)
    bias = layer.weight("bias", *spec.bias) if bias_axes else None
    if bias and layer.generation is Generation.KERAS3 and _is_taken_for_another(spec.bias, spec.output):
        raise UnsupportedOption(
            f"a bias of shape {spec.bias}: Keras 3 adds it along another axis on TensorFlow than it says",
            "bias_axes",
        )
    if spec.linear and (bias is None or len(spec.bias) == 1):
        state = {"weight": kernel.transpose(1, 0), **({"bias": bias} if bias else {})}
        settings: dict[str, Any] = {} if bias else {"bias": False}
        module = layer.module("nn.Linear", *spec.kernel, state=state, **settings)
    else:
        state = {"weight": kernel, **({"bias": bias} if bias else {})}
        shapes = (spec.kernel, spec.bias) if bias else (spec.kernel,)
        module = layer.module(layer.part("EinsumDense"), spec.equation, *shapes, state=state)
    return layer.activation(layer.value(module(x), spec.output))


@dataclass(frozen=True)
class _Einsum:
    equation: str
    kernel: tuple[int, ...]
    bias: tuple[int, ...]
    output: Shape
    linear: bool


_EQUATION = re.compile(r"(\.\.\.)?([a-zA-Z]+)(\.\.\.)?,([a-zA-Z]+)->(\.\.\.)?([a-zA-Z]+)(\.\.\.)?")
_LONGEST_EQUATION = 60


def _einsum(equation: Any, bias_axes: Any, shape: Shape, output_shape: Any) -> _Einsum:
    """What an equation `input,kernel->output` says of the shapes; dots stand for axes in front or behind."""
    found = (
        _EQUATION.fullmatch(equation)
        if isinstance(equation, str) and len(equation) <= _LONGEST_EQUATION
        else None
    )
    if found is None or not isinstance(bias_axes, str):
        raise UnsupportedOption(f"equation {str(equation)[:60]!r} is not supported", "equation")
    front, given, behind, weight, front_out, result, behind_out = found.groups()
    hidden = len(shape) - len(given)
    if (front, behind) != (front_out, behind_out) or (front and behind) or hidden < 0:
        raise UnsupportedOption(f"equation {equation!r} for a tensor of rank {len(shape)}", "equation")
    if not (front or behind) and hidden:
        raise UnsupportedOption(f"equation {equation!r} for a tensor of rank {len(shape)}", "equation")
    if any(len(set(letters)) < len(letters) for letters in (given, weight, result, bias_axes)):
        raise UnsupportedOption(f"equation {equation!r} names an axis twice", "equation")
    stated = list(output_shape) if isinstance(output_shape, list | tuple) else [output_shape]
    named = shape[hidden:] if front else shape[: len(given)]
    extents = dict(zip(given, named, strict=True))
    # The batch axis is not stated; it is one of the axes in front, or else the first letter.
    letters = result if front else result[1:]
    if len(stated) != len(letters) or not set(result) <= set(given) | set(weight):
        raise UnsupportedOption(f"output_shape {stated!r} for {equation!r}", "output_shape")
    for letter, extent in zip(letters, stated, strict=True):
        if extent is not None and (type(extent) is not int or extent < 1):
            raise UnsupportedOption(f"output_shape {stated!r}", "output_shape")
        extents[letter] = extents.get(letter) or extent
    kernel = _known(extents, weight, equation)
    result_shape = tuple(extents.get(letter) for letter in result)
    output: Shape = (*shape[:hidden], *result_shape) if front else (*result_shape, *shape[len(given) :])
    bias: tuple[int, ...] = ()
    if bias_axes:
        if not set(bias_axes) <= set(result):
            raise UnsupportedOption(f"bias_axes {bias_axes!r} of {equation!r}", "bias_axes")
        first = min(result.index(letter) for letter in bias_axes)
        sizes = dict(zip(bias_axes, _known(extents, bias_axes, equation), strict=True))
        bias = tuple(sizes.get(letter, 1) for letter in result[first:])
        bias += (1,) * hidden if behind else ()
    linear = (
        len(weight) == 2
        and not behind
        and given[-1] == weight[0]
        and result == given[:-1] + weight[1]
        and bias_axes in ("", weight[1])
    )
    return _Einsum(equation, kernel, bias, output, linear)


def _is_taken_for_another(bias: tuple[int, ...], output: Shape) -> bool:
    """Whether `keras.ops.add` on TensorFlow, which adds what has one long axis along the last axis of that extent, or
    along the first behind the batch, does something else here than broadcasting.
    """
    long = [axis for axis, extent in enumerate(bias) if extent > 1]
    if len(bias) < 2 or len(long) != 1:
        return False
    extent, place = bias[long[0]], len(output) - len(bias) + long[0]
    if output[-1] == extent:
        return place != len(output) - 1
    return output[1] == extent and place != 1


def _known(extents: dict[str, int | None], letters: str, equation: str) -> tuple[int, ...]:
    sizes = tuple(extents.get(letter) or 0 for letter in letters)
    if 0 in sizes:
        raise LayerRefused(f"the extent of an axis of {equation!r} is not known")
    return sizes


@converts(
    "ReversibleEmbedding",
    examples=[
        example((6,), input_dim=11, output_dim=4, _integers_below=11),
        example((6,), input_dim=11, output_dim=4, tie_weights=False, mask_zero=True, _integers_below=11),
        example((6, 4), input_dim=11, output_dim=4, logit_soft_cap=2.0, _call={"reverse": True}),
        example((6, 4), input_dim=11, output_dim=4, tie_weights=False, _call={"reverse": True}),
    ],
    masks=Masks.HANDLE,
    generations=ONLY_KERAS3,
)
def reversible_embedding(layer: LayerCall) -> Value:
    """A part: `nn.Embedding` that also scores every id for a vector."""
    x, options = layer.keras_layout(layer.input), layer.options
    count, size = options.integer("input_dim"), options.integer("output_dim")
    options.must_be("reverse_dtype", None, "float32", "float64")
    state = {"weight": layer.weight("embeddings", count, size)}
    settings: dict[str, Any] = {}
    if not options.flag("tie_weights", default=True):
        state["reverse_weight"] = layer.weight("reverse_embeddings", size, count).transpose(1, 0)
        settings["tied"] = False
    if options.take("logit_soft_cap", default=None) is not None:
        settings["logit_soft_cap"] = options.number("logit_soft_cap")
    module = layer.submodule(layer.part("ReversibleEmbedding"), count, size, state=state, **settings)
    masked = options.flag("mask_zero", default=False)
    if layer.argument("reverse"):
        scores = layer.value(method(module, "logits", x), (*x.shape[:-1], count))
        if masked:  # Keras asks the vectors what it asks ids, and forgets the mask that they have
            mask = layer.like(x, template("{} != 0", layer.bind(x)), dtype="bool")
            mask.hint = "mask"
            scores.mask = layer.bind(mask, optional=True)
        return scores
    if x.mask is not None:
        raise LayerRefused("called on ids that carry a mask already")
    ids = x if x.dtype.startswith(("int", "uint")) else layer.like(x, method(x, "long"), dtype="int64")
    vectors = layer.value(call(module.text, ids), (*x.shape, size))
    if masked:
        mask = layer.like(ids, template("{} != 0", layer.input), dtype="bool")
        mask.hint = "mask"
        vectors.mask = layer.bind(mask, optional=True)
    return vectors
