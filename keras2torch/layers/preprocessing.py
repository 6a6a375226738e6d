"""Keras family "preprocessing": numbers to numbers and categories, in front of a model or in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras2torch.emit.code import Value, call, index, method, template
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import as_float, is_float
from keras2torch.layers._registry import (
    EVERY_GENERATION,
    Generations,
    Masks,
    cannot,
    converts,
    example,
)
from keras2torch.source.model import Array, Generation
from keras2torch.weights import Weight

SINCE_TF_KERAS: Generations = EVERY_GENERATION - {Generation.KERAS1, Generation.KERAS2}
MODES = ("int", "one_hot", "multi_hot", "count")
_LARGEST_VOCABULARY = 1 << 24

cannot(
    __name__,
    "StringLookup",
    "TextVectorization",
    reason="it reads strings, which no PyTorch tensor holds; turn text into ids before the model and feed those, with "
    "the vocabulary of the trained layer (`get_vocabulary()`)",
    generations=SINCE_TF_KERAS,
)
cannot(
    __name__,
    "CategoryCrossing",
    reason="it joins categories into strings, which no PyTorch tensor holds; cross them before the model",
    generations=frozenset({Generation.TF_KERAS}),
)


@converts(
    "Rescaling",
    examples=[
        example((6, 5, 3), scale=1 / 127.5, offset=-1.0),
        example((6, 5, 3), scale=1 / 255, _integers_below=256),
        example((6, 5, 3), scale=[0.1, 0.2, 0.3], offset=[1.0, 2.0, 3.0]),
        example((6, 5), scale=0.1, _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def rescaling(layer: LayerCall) -> Value:
    """`x * scale + offset`."""
    x = layer.input
    scale, offset = _numbers(layer, "scale"), _numbers(layer, "offset", default=0.0)
    if is_float(x) and scale.ndim == offset.ndim == 0:
        factor, shift = scale.item(), offset.item()
        code = template("{} * {}", x, factor)
        if shift:
            code = template("{} * {} + {}" if shift > 0 else "{} * {} - {}", x, factor, abs(shift))
        return _keeping_mask(layer, layer.like(x, code))
    scale, offset = _broadcasting(x, scale, "scale"), _broadcasting(x, offset, "offset")
    module = layer.module(
        layer.part("Rescaling"),
        scale.shape,
        offset.shape,
        state={"scale": _constant(scale), "offset": _constant(offset)},
    )
    return _keeping_mask(layer, layer.like(x, module(x), dtype="float32"))


def _keeping_mask(layer: LayerCall, value: Value) -> Value:
    """Keras 3 passes masks through such layers, tf_keras does not."""
    if layer.generation is Generation.KERAS3:
        value.mask = layer.input.mask
    return value


def _constant(array: Array) -> Weight:
    return Weight.constant(np.ascontiguousarray(array), "from the layer's configuration")


def _numbers(layer: LayerCall, option: str, **default: Any) -> Array:
    """An option that is a number or nested lists of numbers, in Keras 3 perhaps as a serialised array."""
    value = layer.options.take(option, **default)
    if isinstance(value, dict) and value.get("class_name") in ("__numpy__", "__tensor__"):
        config = value.get("config")
        value = config.get("value") if isinstance(config, dict) else None
    if not _is_nested_numbers(value):
        raise UnsupportedOption(f"option {option} is neither a number nor a list of numbers", option)
    try:
        array = np.asarray(value, np.float64)
    except ValueError as error:
        raise UnsupportedOption(f"option {option} is a ragged list", option) from error
    if not np.isfinite(array).all() or not array.size:
        raise UnsupportedOption(f"option {option} holds what is no finite number", option)
    return array


def _is_nested_numbers(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(_is_nested_numbers(item) for item in value)
    return isinstance(value, int | float) and not isinstance(value, bool)


def _broadcasting(x: Value, array: Array, option: str) -> Array:
    """`array`, which broadcasts with Keras's tensor from its last axis on, as it does with torch's."""
    if array.ndim > x.rank or any(
        size not in (1, extent)
        for size, extent in zip(array.shape[::-1], x.shape[::-1], strict=False)
        if extent is not None
    ):
        raise UnsupportedOption(
            f"option {option} of shape {array.shape} for a tensor of shape {x.shape}", option
        )
    array = array.reshape((1,) * (x.rank - array.ndim) + array.shape).transpose(x.axes)
    while array.ndim and array.shape[0] == 1:
        array = array[0]
    return array


@converts(
    "Normalization",
    examples=[
        example((5,)),
        example((6, 5, 3)),
        example((6, 5, 3), axis=1, invert=True),
        example((6, 5, 3), axis=[1, -1]),
        example((6, 5), axis=None),
        example((6, 5, 3), mean=[1.0, 2.0, 3.0], variance=[0.0, 4.0, 0.09]),
        example((4,), mean=0.5, variance=0.3, _integers_below=7),
        example((6, 5), _masked=True, _only=Generation.KERAS3),
    ],
    masks=Masks.HANDLE,
    generations=SINCE_TF_KERAS,
)
def normalization(layer: LayerCall) -> Value:
    """`(x - mean) / sqrt(variance)`, or its inverse; both adapted or given."""
    x, options = layer.input, layer.options
    kept = _kept_axes(x, options.take("axis", default=-1))
    extents = tuple(x.shape[axis] or 0 for axis in kept)
    if 0 in extents:
        raise LayerRefused("the extent of an axis that has means of its own is not known")
    invert = options.flag("invert", default=False)
    names = ("mean", "variance")
    if all(options.take(name, default=None) is None for name in names):
        stored = [layer.weight(name, *extents, trainable=False) for name in names]
        layer.weight("count", trainable=False)
    else:
        # Keras 3 makes float32 of them, whatever it computes in.
        kind = np.float32 if layer.generation is Generation.KERAS3 else np.float64
        stored = [_constant(_filling(extents, _numbers(layer, name), name).astype(kind)) for name in names]
    order = sorted(range(len(kept)), key=lambda number: x.torch_axis(kept[number]))
    shape: Sequence[int] = [(x.shape[axis] or 0) if axis in kept else 1 for axis in x.axes]
    while shape and shape[0] == 1:
        shape = shape[1:]
    placed = {
        name: (weight if order == sorted(order) else weight.transpose(*order)).as_shape(*shape)
        for name, weight in zip(names, stored, strict=True)
    }
    how = (True,) if invert else ()
    module = layer.module(layer.part("Normalization"), tuple(shape), *how, state=placed)
    return _keeping_mask(layer, layer.like(x, module(x), dtype="float32"))


def _kept_axes(x: Value, axis: Any) -> list[int]:
    """The axes along which every position has a mean of its own, in Keras's order."""
    axes = [] if axis is None else axis if isinstance(axis, list | tuple) else [axis]
    if any(
        isinstance(each, bool) or not isinstance(each, int) or not -x.rank <= each < x.rank for each in axes
    ):
        raise UnsupportedOption(f"axis {axis!r} of a tensor of rank {x.rank}", "axis")
    return sorted({each % x.rank for each in axes})


def _filling(extents: tuple[int, ...], array: Array, option: str) -> Array:
    try:
        return np.broadcast_to(array, extents)
    except ValueError as error:
        raise UnsupportedOption(
            f"option {option} of shape {array.shape} for axes of {extents}", option
        ) from error


@converts(
    "Discretization",
    examples=[
        example((6, 5), bin_boundaries=[-1.0, -0.1, 0.3, 1.0]),
        example((7,), bin_boundaries=[1, 3, 7], _integers_below=10),
        example((1,), bin_boundaries=[-0.5, 0.5], output_mode="one_hot"),
        example((5,), bin_boundaries=[-0.5, 0.0, 0.5], output_mode="multi_hot"),
        example((5,), bin_boundaries=[-0.5, 0.5], output_mode="count"),
    ],
    generations=SINCE_TF_KERAS,
)
def discretization(layer: LayerCall) -> Value:
    """`torch.bucketize`, and the vectors that `output_mode` asks for."""
    x, options = layer.input, layer.options
    if options.take("bin_boundaries", "bins", default=None) is None:
        raise UnsupportedOption(
            "the boundaries were adapted and the file does not hold them; pass `bin_boundaries` and save again",
            "bin_boundaries",
        )
    # Keras compares with float32 boundaries whatever it computes in.
    boundaries = _numbers(layer, "bin_boundaries").astype(np.float32)
    if boundaries.ndim != 1 or (np.diff(boundaries) < 0).any():
        raise UnsupportedOption("option bin_boundaries is no ascending list", "bin_boundaries")
    options.ignore("num_bins", "epsilon")
    mode = options.choice("output_mode", among=MODES, default="int")
    module = layer.module(
        layer.part("Discretization"), boundaries.size, state={"boundaries": _constant(boundaries)}
    )
    return encoded(layer, layer.like(x, module(x), dtype="int64"), mode, boundaries.size + 1)


@converts(
    "CategoryEncoding",
    "CategoricalEncoding",
    examples=[
        example((4,), num_tokens=12, _integers_below=12),
        example((1,), num_tokens=12, output_mode="one_hot", _integers_below=12),
        example((4,), num_tokens=12, output_mode="one_hot", _integers_below=12, _only=Generation.KERAS3),
        example((4,), num_tokens=12, output_mode="count", _integers_below=12),
    ],
    generations=SINCE_TF_KERAS,
)
def category_encoding(layer: LayerCall) -> Value:
    """Comparison with every category, and `any` or `sum` over those of one sample."""
    x, options = layer.input, layer.options
    count = options.integer("num_tokens", "max_tokens", maximum=_LARGEST_VOCABULARY)
    mode = options.choice(
        "output_mode", among=("one_hot", "multi_hot", "count", "binary"), default="multi_hot"
    )
    weights = layer.argument("count_weights")
    if weights is not None and (mode != "count" or not isinstance(weights, Value)):
        raise UnsupportedOption("count_weights without counts", "count_weights")
    if is_float(x):
        x = layer.like(x, method(x, "long"), dtype="int64")
    return encoded(layer, x, "multi_hot" if mode == "binary" else mode, count, weights)


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


@converts(
    "IntegerLookup",
    examples=[
        example((4,), vocabulary=[7, 2, 5], _integers_below=10),
        example((4,), vocabulary=[7, 2, 5], num_oov_indices=3, mask_token=0, _integers_below=10),
        example((4,), vocabulary=[3, 1, 2], invert=True, mask_token=9, _integers_below=10),
        example((4,), vocabulary=[7, 2, 5], mask_token=1, output_mode="multi_hot", _integers_below=10),
        example(
            (1,),
            vocabulary=[7, 2],
            max_tokens=6,
            pad_to_max_tokens=True,
            output_mode="one_hot",
            _integers_below=10,
        ),
        example((4,), vocabulary=list(range(10)), num_oov_indices=0, output_mode="count", _integers_below=10),
    ],
    generations=SINCE_TF_KERAS,
)
def integer_lookup(layer: LayerCall) -> Value:
    """A search in the sorted vocabulary, which is a buffer."""
    x, options = layer.input, layer.options
    tokens = _vocabulary(layer)
    unknown_places = options.integer("num_oov_indices", default=1, minimum=0)
    masked = _token(layer, "mask_token", "mask_value")
    unknown = _token(layer, "oov_token", "oov_value", default=-1)
    mode = options.choice("output_mode", among=(*MODES, "binary", "tf_idf", "tf-idf"), default="int")
    mode = "multi_hot" if mode == "binary" else mode
    if mode.startswith("tf"):
        raise UnsupportedOption("output_mode tf_idf is not supported", "output_mode")
    options.must_be("idf_weights", None)
    options.must_be("oov_method", "floormod")
    options.must_be("salt", None)
    options.ignore("vocabulary_dtype", "vocabulary_size", "has_input_vocabulary", "has_static_table")
    first_unknown = 1 if masked is not None and mode == "int" else 0
    special = [masked] * first_unknown + [unknown] * unknown_places
    if special and tokens[: len(special)] == special:
        tokens = tokens[len(special) :]
    if not tokens or len(set(tokens)) < len(tokens):
        raise UnsupportedOption("the vocabulary is empty or has a token twice", "vocabulary")
    size = len(special) + len(tokens)
    longest = options.take("max_tokens", "max_values", default=None)
    if options.flag("pad_to_max_tokens", default=False) and mode != "int":
        size = options.integer("max_tokens", "max_values", minimum=size)
    elif longest is not None and options.integer("max_tokens", "max_values") < size:
        raise UnsupportedOption("the vocabulary is larger than max_tokens", "max_tokens")
    if options.flag("invert", default=False):
        if unknown is None:
            raise UnsupportedOption("invert without an oov_token", "oov_token")
        every = np.array(
            [masked if n < first_unknown else unknown for n in range(len(special))] + tokens, np.int64
        )
        module = layer.module(
            layer.part("IntegerOf"), every.size, unknown, state={"tokens": _constant(every)}
        )
        return layer.like(x, module(x), dtype="int64")
    order = sorted(range(len(tokens)), key=tokens.__getitem__)
    state = {
        "tokens": _constant(np.array([tokens[n] for n in order], np.int64)),
        "places": _constant(np.array([len(special) + n for n in order], np.int64)),
    }
    settings = () if masked is None else (masked, 0 if mode == "int" else -1)
    module = layer.module(
        layer.part("IntegerLookup"), len(tokens), first_unknown, unknown_places, *settings, state=state
    )
    return encoded(layer, layer.like(x, module(x), dtype="int64"), mode, size)


def _vocabulary(layer: LayerCall) -> list[int]:
    value = layer.options.take("vocabulary", default=None)
    if value is None:
        raise UnsupportedOption(
            "the vocabulary was adapted and the file does not hold it; pass `vocabulary=layer.get_vocabulary()` and "
            "save again",
            "vocabulary",
        )
    if isinstance(value, str):
        raise UnsupportedOption(
            "the vocabulary is a path, and files that a model names are never read", "vocabulary"
        )
    if (
        not isinstance(value, list | tuple)
        or len(value) > _LARGEST_VOCABULARY
        or not all(map(_is_int64, value))
    ):
        raise UnsupportedOption("option vocabulary is no list of integers", "vocabulary")
    return list(value)


def _token(layer: LayerCall, *names: str, default: int | None = None) -> int | None:
    value = layer.options.take(*names, default=default)
    if value is None:
        return None
    if not _is_int64(value):
        raise UnsupportedOption(f"option {names[0]} is {value!r}, not an integer", names[0])
    return int(value)


def _is_int64(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(1 << 63) <= value < 1 << 63
