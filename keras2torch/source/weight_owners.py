"""Whose the arrays in a stored group are: a group holds all weights of one top-level layer, be it a model.

Keras before 3 stored the trainable weights of all layers inside first, in their order, then all others; a frozen
layer's are all among the others (see `resolve`, which reads the result).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

Stored = TypeVar("Stored")
Count = Callable[[str, Mapping[str, Any]], tuple[int, int] | None]
"""(class name, configuration) -> how many trainable and other arrays such a layer stores; None if not known."""

_WITH_BIAS = {
    "AtrousConvolution1D": 1,
    "AtrousConvolution2D": 1,
    "Conv1D": 1,
    "Conv2D": 1,
    "Conv2DTranspose": 1,
    "Conv3D": 1,
    "Conv3DTranspose": 1,
    "ConvLSTM2D": 2,
    "Deconvolution2D": 1,
    "Deconvolution3D": 1,
    "Dense": 1,
    "DepthwiseConv2D": 1,
    "GRU": 2,
    "LSTM": 2,
    "LocallyConnected1D": 1,
    "LocallyConnected2D": 1,
    "MaxoutDense": 1,
    "SeparableConv1D": 2,
    "SeparableConv2D": 2,
    "SimpleRNN": 2,
    "TimeDistributedDense": 1,
}
"""Arrays beside the one bias."""
_WITHOUT_BIAS = {
    "CuDNNGRU": 3,
    "CuDNNLSTM": 3,
    "Embedding": 1,
    "PReLU": 1,
    "ParametricSoftplus": 2,
    "SReLU": 4,
}
_WITHOUT_WEIGHTS = (
    "Activation",
    "Cropping",
    "Dropout",
    "ELU",
    "Flatten",
    "Gaussian",
    "Global",
    "InputLayer",
    "Lambda",
    "LeakyReLU",
    "Mask",
    "Merge",
    "Permute",
    "ReLU",
    "Repeat",
    "Reshape",
    "Softmax",
    "SpatialDropout",
    "ThresholdedReLU",
    "UpSampling",
    "ZeroPadding",
    *("Add", "AlphaDropout", "Average", "Concatenate", "Dot", "Max", "Minimum", "Multiply", "Subtract"),
)
"""How the names of these classes begin."""


@dataclass(frozen=True)
class Owner:
    """A plain layer in a group, and the numbers of its trainable and its other arrays, as the file splits them."""

    class_name: str
    config: Mapping[str, Any]
    trainable: int
    others: int


def keras2_count(class_name: str, config: Mapping[str, Any]) -> tuple[int, int] | None:
    """What a layer of Keras 2 stores."""
    bias = 0 if config.get("use_bias") is False else 1
    if class_name in _WITH_BIAS:
        return _WITH_BIAS[class_name] + bias, 0
    if class_name in _WITHOUT_BIAS:
        return _WITHOUT_BIAS[class_name], 0
    if class_name == "Highway":
        return 2 + 2 * bias, 0
    if class_name == "BatchNormalization":
        return sum(config.get(key) is not False for key in ("scale", "center")), 2
    return (0, 0) if class_name.startswith(_WITHOUT_WEIGHTS) else None


def owners(entry: Mapping[str, Any], count: Count, *, frozen: bool = False) -> list[Owner] | None:
    """Every plain layer of a layer entry (a model's, a wrapper's) in stored order, or None if one is not known."""
    class_name, config = str(entry.get("class_name")), entry.get("config")
    layers = (
        config if isinstance(config, list) else config.get("layers") if isinstance(config, Mapping) else None
    )
    inner: list[tuple[Mapping[str, Any], bool]]
    if isinstance(layers, list):
        inner = [(layer, False) for layer in layers if isinstance(layer, Mapping)]
    elif not isinstance(config, Mapping):
        return None
    else:
        frozen = frozen or config.get("trainable") is False
        wrapped = config.get("layer")
        if not isinstance(wrapped, Mapping):
            counted = count(class_name, config)
            if counted is None:
                return None
            trainable, others = counted
            return [Owner(class_name, config, *((0, trainable + others) if frozen else counted))]
        inner = [(wrapped, frozen)] * (2 if class_name == "Bidirectional" else 1)
    found: list[Owner] = []
    for layer, stays in inner:
        own = owners(layer, count, frozen=stays)
        if own is None:
            return None
        found += own
    return found


def shares(owned: Sequence[Owner], stored: Sequence[Stored]) -> Iterator[tuple[Owner, list[Stored]]]:
    """Each owner with its own of `stored`, which holds exactly what they own: trainable first."""
    at, other = 0, sum(owner.trainable for owner in owned)
    for owner in owned:
        yield owner, [*stored[at : at + owner.trainable], *stored[other : other + owner.others]]
        at, other = at + owner.trainable, other + owner.others
