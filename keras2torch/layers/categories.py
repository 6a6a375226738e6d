"""Keras family "categories": integers to places in a vocabulary, to buckets, and to vectors."""

from __future__ import annotations

from typing import Any

import numpy as np

from keras2torch.emit.code import Value, call, method
from keras2torch.errors import LayerRefused, UnsupportedOption
from keras2torch.layers._call import LayerCall
from keras2torch.layers._casting import is_float
from keras2torch.layers._constants import constant
from keras2torch.layers._encoding import MODES, encoded
from keras2torch.layers._registry import SINCE_TF_KERAS, cannot, converts, example
from keras2torch.layers.merging import list_of
from keras2torch.source.model import Generation

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
    "CategoryEncoding",
    "CategoricalEncoding",
    examples=[
        example((4,), num_tokens=12, _integers_below=12),
        example((1,), num_tokens=12, output_mode="one_hot", _integers_below=12),
        example((4,), num_tokens=12, output_mode="one_hot", _integers_below=12, _only=Generation.KERAS3),
        example((4,), num_tokens=12, output_mode="count", _integers_below=12),
        example(
            (4,),
            (4,),
            num_tokens=12,
            output_mode="count",
            _integers_below=12,
            _dtypes=("int32", "float32"),
            _call={"count_weights": "#1"},
        ),
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


@converts(
    "Hashing",
    examples=[
        example((4,), num_bins=7, _integers_below=1000),
        example((4,), num_bins=5, mask_value=3, _integers_below=6),
        example((3,), num_bins=1000, salt=[133, 137], _integers_below=100000),
        example((3,), num_bins=6, output_mode="count", salt=5, _integers_below=1000),
        example((1,), num_bins=6, output_mode="one_hot", _integers_below=1000),
    ],
    generations=SINCE_TF_KERAS,
)
def hashing(layer: LayerCall) -> Value:
    """TensorFlow's hashes of decimal strings (FarmHash, or SipHash with a salt) in integer arithmetic."""
    options = layer.options
    x = layer.input
    masked = _token(layer, "mask_value")
    # Keras 3 hashes what stands before the point, but compares the mask with the whole number.
    if is_float(x) and (layer.generation is not Generation.KERAS3 or masked is not None):
        raise LayerRefused("called on numbers that are no integers")
    x = layer.like(x, method(x, "long"), dtype="int64")
    bins = options.integer("num_bins")
    settings: dict[str, Any] = {} if masked is None else {"masked": masked}
    salt = options.take("salt", default=None)
    if salt is not None:
        key = salt if isinstance(salt, list | tuple) else [salt, salt]
        if len(key) != 2 or not all(map(_is_int64, key)):
            raise UnsupportedOption(f"option salt is {salt!r}, not one integer or two", "salt")
        settings["key"] = tuple(key)
    mode = options.choice("output_mode", among=MODES, default="int")
    code = call(layer.part("hash_buckets"), x, bins, **settings)
    return encoded(layer, layer.like(x, code, dtype="int64"), mode, bins)


@converts(
    "HashedCrossing",
    examples=[
        example((1,), (1,), num_bins=11, _integers_below=1000),
        example((1,), (1,), num_bins=6, output_mode="one_hot", _integers_below=1000),
        example((1,), (1,), (1,), num_bins=7, _integers_below=1000, _only=Generation.TF_KERAS),
    ],
    generations=SINCE_TF_KERAS,
)
def hashed_crossing(layer: LayerCall) -> Value:
    """TensorFlow's fingerprint of several integers, in integer arithmetic."""
    columns = [layer.like(x, method(x, "long"), dtype="int64") for x in layer.inputs]
    if len(columns) < 2 or any(is_float(x) or x.shape[1:] not in ((), (1,)) for x in layer.inputs):
        raise LayerRefused("called on something else than two or more columns of integers")
    bins = layer.options.integer("num_bins")
    mode = layer.options.choice("output_mode", among=("int", "one_hot"), default="int")
    code = call(layer.part("crossed_buckets"), list_of(columns), bins)
    return encoded(layer, layer.like(columns[0], code, dtype="int64"), mode, bins)


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
        module = layer.module(layer.part("IntegerOf"), every.size, unknown, state={"tokens": constant(every)})
        return layer.like(x, module(x), dtype="int64")
    order = sorted(range(len(tokens)), key=tokens.__getitem__)
    state = {
        "tokens": constant(np.array([tokens[n] for n in order], np.int64)),
        "places": constant(np.array([len(special) + n for n in order], np.int64)),
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
