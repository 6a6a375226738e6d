"""Keras 1 configurations in Keras 2's spelling: classes, options and the shape of a Sequential.

What an option is called now is in `keras/legacy/interfaces.py` of Keras 2.3.1. Classes that are not known here stay
as they are, to be refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras2torch.errors import BadConfig
from keras2torch.source.keras1_merge import branches_laid_flat, starts_with_branches

Config = dict[str, Any]

_RENAMED = {
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "border_mode": "padding",
    "concat_axis": "axis",
    "dim_ordering": "data_format",
    "dot_axes": "axes",
    "dropout_U": "recurrent_dropout",
    "dropout_W": "dropout",
    "filter_length": "kernel_size",
    "inner_activation": "recurrent_activation",
    "length": "size",
    "nb_filter": "filters",
    "p": "rate",
    "pool_length": "pool_size",
    "sigma": "stddev",
    "stride": "strides",
    "subsample": "strides",
    "subsample_length": "strides",
}
_WITHOUT_EFFECT = frozenset({"init", "input_dim", "input_dtype", "input_length", "transform_bias", "weights"})
_WITHOUT_EFFECT_SUFFIXES = ("_constraint", "_init", "_regularizer")
_DATA_FORMATS = {"tf": "channels_last", "th": "channels_first"}
_IMPLEMENTATIONS = {"cpu": 0, "mem": 1, "gpu": 2}

_NEW_NAMES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
}
"""Classes that went on under another name."""

KEPT_BY_KERAS2 = frozenset({"Highway", "MaxoutDense", "Merge"})

_KERNEL_SIZES = (("nb_row", "nb_col"), ("kernel_dim1", "kernel_dim2", "kernel_dim3"))

_KNOWN = frozenset(
    {
        "Activation",
        "ActivityRegularization",
        "AtrousConvolution1D",
        "AtrousConvolution2D",
        "AveragePooling1D",
        "AveragePooling2D",
        "AveragePooling3D",
        "BatchNormalization",
        "Bidirectional",
        "ConvLSTM2D",
        "Cropping1D",
        "Cropping2D",
        "Cropping3D",
        "Deconvolution2D",
        "Deconvolution3D",
        "Dense",
        "Dropout",
        "ELU",
        "Embedding",
        "Flatten",
        "GRU",
        "GaussianDropout",
        "GaussianNoise",
        "GlobalAveragePooling1D",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling1D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "Highway",
        "InputLayer",
        "LSTM",
        "Lambda",
        "LeakyReLU",
        "LocallyConnected1D",
        "LocallyConnected2D",
        "Masking",
        "MaxPooling1D",
        "MaxPooling2D",
        "MaxPooling3D",
        "MaxoutDense",
        "Merge",
        "PReLU",
        "ParametricSoftplus",
        "Permute",
        "RepeatVector",
        "Reshape",
        "SReLU",
        "SimpleRNN",
        "SpatialDropout1D",
        "SpatialDropout2D",
        "SpatialDropout3D",
        "ThresholdedReLU",
        "TimeDistributed",
        "TimeDistributedDense",
        "UpSampling1D",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding1D",
        "ZeroPadding2D",
        "ZeroPadding3D",
        *_NEW_NAMES,
    }
)


def in_keras2_spelling(entry: Mapping[str, Any], groups: Sequence[str] = ()) -> Config:
    """A layer or model entry of Keras 1, and all that stands in it. Raises `BadConfig`.

    `groups`: for the outermost model, the names under which the file stores its layers, in order.
    """
    class_name, config = entry.get("class_name"), entry.get("config")
    if class_name == "Sequential" and isinstance(config, list):
        return _sequential(entry, config, groups)
    if not isinstance(class_name, str) or not isinstance(config, Mapping):
        raise BadConfig(
            "a layer without class_name and config", spot=str(entry.get("name") or "model_config")
        )
    layers = config.get("layers")
    if class_name in ("Model", "Sequential") and isinstance(layers, list):
        return {**entry, "config": {**config, "layers": _entries(layers)}}
    if class_name not in _KNOWN:
        return dict(entry)
    return {
        **entry,
        "class_name": _NEW_NAMES.get(class_name, class_name),
        "config": _options(class_name, config),
    }


def kept_by_keras2(entry: Mapping[str, Any]) -> Config:
    """A layer or model entry of Keras 2; what that kept of Keras 1 (`keras/legacy/layers.py`) in its spelling."""
    class_name, config = entry.get("class_name"), entry.get("config")
    if isinstance(config, list):
        return {**entry, "config": [_kept(layer) for layer in config]}
    if not isinstance(config, Mapping):
        return dict(entry)
    if isinstance(config.get("layers"), list) and class_name != "Merge":
        return {**entry, "config": {**config, "layers": [_kept(layer) for layer in config["layers"]]}}
    if isinstance(class_name, str) and class_name in KEPT_BY_KERAS2:
        return {**entry, "config": _options(class_name, config)}
    return dict(entry)


def _kept(layer: Any) -> Any:
    return kept_by_keras2(layer) if isinstance(layer, Mapping) else layer


def _entries(layers: Sequence[Any]) -> list[Config]:
    if any(not isinstance(layer, Mapping) for layer in layers):
        raise BadConfig("a layer that is no object")
    return [in_keras2_spelling(layer) for layer in layers]


def _sequential(entry: Mapping[str, Any], layers: Sequence[Any], groups: Sequence[str]) -> Config:
    converted = _entries(layers)
    if starts_with_branches(converted):
        return {**entry, "class_name": "Model", "config": branches_laid_flat(converted, groups)}
    return {**entry, "config": converted}


def _options(class_name: str, config: Mapping[str, Any]) -> Config:
    new: Config = {}
    for key, value in config.items():
        keep = key == "input_dim" and class_name == "Embedding"
        if not keep and (key in _WITHOUT_EFFECT or key.endswith(_WITHOUT_EFFECT_SUFFIXES)):
            continue
        name = _RENAMED.get(key, key)
        if name in new or (name != key and name in config):
            raise BadConfig(f"says {name} twice", spot=str(config.get("name")))
        new[name] = value
    if isinstance(new.get("data_format"), str):
        new["data_format"] = _DATA_FORMATS.get(new["data_format"], new["data_format"])
    for names in _KERNEL_SIZES:
        if all(name in new for name in names):
            new["kernel_size"] = [new.pop(name) for name in names]
    if isinstance(new.get("layer"), Mapping):
        new["layer"] = in_keras2_spelling(new["layer"])
    change = _BY_CLASS.get(class_name)
    return change(new, config) if change else new


# ------------------------------------------------------------------------------------------- single classes


def _units(new: Config, _: Mapping[str, Any]) -> Config:
    if "output_dim" in new:
        new["units"] = new.pop("output_dim")
    return new


def _recurrent(new: Config, _: Mapping[str, Any]) -> Config:
    # How the sums were grouped, which also decides how the weights were stored.
    consume_less = new.pop("consume_less", "cpu")
    if not isinstance(consume_less, str) or consume_less not in _IMPLEMENTATIONS:
        raise BadConfig(f"consume_less is {consume_less!r}", spot=str(new.get("name")))
    new["implementation"] = _IMPLEMENTATIONS[consume_less]
    return _units(new, _)


def _embedding(new: Config, _: Mapping[str, Any]) -> Config:
    new.pop("dropout", None)
    return new


def _input(new: Config, config: Mapping[str, Any]) -> Config:
    return {**new, "dtype": config.get("input_dtype") or "float32"}


def _batch_normalization(new: Config, _: Mapping[str, Any]) -> Config:
    if new.get("mode") == 0:  # the only one that later Kerases kept
        del new["mode"]
    return new


def _zero_padding(new: Config, _: Mapping[str, Any]) -> Config:
    padding = new.get("padding")
    if isinstance(padding, Mapping):
        sides = [f"{side}_pad" for side in ("top", "bottom", "left", "right")]
        padding = [padding.get(side, 0) for side in (sides if sides[0] in padding else sides[2:])]
    if isinstance(padding, list) and len(padding) == 4:
        padding = [padding[:2], padding[2:]]
    return {**new, "padding": padding}


def _merge(new: Config, _: Mapping[str, Any]) -> Config:
    """Of a mode that has a name, only what it reads; a function is the rule's to refuse."""
    mode = new.get("mode")
    if isinstance(new.get("layers"), list):
        new["layers"] = _entries(new["layers"])
    if not isinstance(mode, str) or new.get("mode_type", "raw") != "raw":
        return {key: value for key, value in new.items() if key not in ("axis", "axes")}
    read = {"concat": "axis", "dot": "axes", "cos": "axes"}.get(mode)
    return {key: value for key, value in new.items() if key in ("name", "trainable", "layers", "mode", read)}


_BY_CLASS: dict[str, Callable[[Config, Mapping[str, Any]], Config]] = {
    "BatchNormalization": _batch_normalization,
    "ConvLSTM2D": _recurrent,
    "Dense": _units,
    "Embedding": _embedding,
    "GRU": _recurrent,
    "InputLayer": _input,
    "LSTM": _recurrent,
    "MaxoutDense": _units,
    "Merge": _merge,
    "SimpleRNN": _recurrent,
    "TimeDistributedDense": _units,
    "ZeroPadding1D": _zero_padding,
    "ZeroPadding2D": _zero_padding,
}
