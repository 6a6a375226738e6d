"""Theano convolves with kernels turned by 180 degrees, where every other backend correlates.

A file says which backend trained it only since Keras 2. The kernels that this concerns are those that Keras's own
`convert_kernel` turns; depthwise ones were turned back by Keras before Theano saw them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from keras2torch.errors import Reason
from keras2torch.source.model import Generation, SourceModel, StoredWeight
from keras2torch.source.weight_owners import Count, owners, shares

_CORRELATING = frozenset({"tensorflow", "cntk", "jax", "torch", "numpy", "openvino"})
_TURNED = {
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Conv2DTranspose", "Conv3DTranspose"), 1),
    **dict.fromkeys(("AtrousConvolution1D", "AtrousConvolution2D", "Deconvolution2D", "Deconvolution3D"), 1),
    "ConvLSTM2D": 2,
}
"""How many kernels such a layer has, which are its first arrays."""
PADDED_BY_THEANO = frozenset({"Conv1D", "Conv2D"})
"""Layers that may say "half" or "full" for their padding, where TensorFlow's "same" is another thing."""
_DEPTHWISE = frozenset({"DepthwiseConv2D", "SeparableConv1D", "SeparableConv2D"})
_POOLINGS = tuple(f"{kind}Pooling{rank}D" for kind in ("Max", "Average") for rank in (1, 2, 3))

_Entry = Mapping[str, Any]


def has_convolutions(config: _Entry) -> bool:
    return any(class_name in _TURNED for _, class_name, _ in _layers(config))


def backend_reasons(source: SourceModel, told: str | None) -> list[Reason]:
    """Why kernels cannot be read: the backend is not known, or pads in a way of its own. `told`: by the caller."""
    if not has_convolutions(source.config):
        return []
    backend = source.backend or told
    if backend is None and source.generation is Generation.KERAS1:
        names = [weight.name for group in source.weights.values() for weight in group]
        looks = "tensorflow" if any(name.endswith(":0") for name in names) else "theano"
        why = (
            "Keras 1 does not record its backend, and Theano's convolutions turn their kernels: say --backend theano "
            f"or --backend tensorflow (the names of the weights look like {looks}'s)"
        )
        return [Reason("backend-not-recorded", "the model", "Keras 1", why, "backend")]
    if backend is None or backend in _CORRELATING:
        return []
    if backend != "theano":
        why = f"trained on the backend {backend!r}, whose kernels are not known to be TensorFlow's"
        return [Reason("unsupported-backend", "the model", "Keras", why, "backend")]
    return [
        Reason("unsupported-option", name, class_name, refusal, "padding")
        for name, class_name, config in _layers(source.config)
        if (refusal := _pads_its_own_way(class_name, config))
    ]


def with_own_padding(entry: Any) -> Any:
    """A configuration whose convolutions, where Theano's "same" is another than TensorFlow's, say "half" instead."""
    if isinstance(entry, list):
        return [with_own_padding(item) for item in entry]
    if not isinstance(entry, Mapping):
        return entry
    new = {key: with_own_padding(value) for key, value in entry.items()}
    class_name, config = new.get("class_name"), new.get("config")
    if (
        class_name in PADDED_BY_THEANO
        and isinstance(config, Mapping)
        and _pads_its_own_way(class_name, config)
    ):
        new["config"] = {**config, "padding": "half"}
    return new


def _pads_its_own_way(class_name: str, config: _Entry) -> str | None:
    """Theano pads half a kernel on either side, whatever the stride; TensorFlow what the last step lacks."""
    # The state of a convolutional LSTM is convolved with "same" padding whatever the layer says.
    if config.get("padding") != "same" and class_name != "ConvLSTM2D":
        return None
    strides = _numbers(config.get("strides"))
    if class_name in _POOLINGS:
        sizes = _numbers(config.get("pool_size"))
        # null: as large as the window
        strides = strides if config.get("strides") is not None else sizes
        fits = {1, 3}
    elif class_name in _TURNED or class_name in _DEPTHWISE:
        sizes = _numbers(config.get("kernel_size"))
        fits = {size for size in sizes if size % 2}
    else:
        return None
    if set(sizes) <= fits and set(strides) <= {1}:
        return None
    return (
        'trained on Theano, which pads "same" otherwise than TensorFlow unless windows are odd and strides 1'
    )


def _numbers(value: Any) -> list[int]:
    items = value if isinstance(value, list) else [1 if value is None else value]
    return [item for item in items if isinstance(item, int)]


def _layers(entry: _Entry) -> Iterator[tuple[str, str, _Entry]]:
    """(name, class, configuration) of every layer in a model, those in models and wrappers included."""
    class_name, config = entry.get("class_name"), entry.get("config")
    layers: Any = config
    if isinstance(config, Mapping):
        if isinstance(class_name, str) and "layers" not in config:
            yield str(entry.get("name") or config.get("name")), class_name, config
        layers = [*_list(config.get("layers")), config.get("layer")]
    for layer in _list(layers):
        if isinstance(layer, Mapping):
            yield from _layers(layer)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def as_correlations(
    entry: _Entry, stored: Sequence[StoredWeight], count: Count
) -> tuple[StoredWeight, ...] | None:
    """The weights of a top-level layer with the kernels of its convolutions turned, as views.

    None where there are convolutions and it is not known which arrays are theirs.
    """
    if not has_convolutions(entry):
        return tuple(stored)
    owned = owners(entry, count)
    if owned is None or sum(owner.trainable + owner.others for owner in owned) != len(stored):
        return None
    turned = set[int]()
    for owner, share in shares(owned, range(len(stored))):
        turned.update(share[: _TURNED.get(owner.class_name, 0)])
    return tuple(_turn(weight) if number in turned else weight for number, weight in enumerate(stored))


def _turn(weight: StoredWeight) -> StoredWeight:
    return StoredWeight(weight.name, np.flip(weight.array, tuple(range(max(weight.array.ndim - 2, 0)))))
