"""A model as its file spells it becomes one in the spelling that everything behind knows: Keras 2's, or Keras 3's own.

Behind this point no file is Keras 1's or Theano's, but in its `generation`, which decides what formulas mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from keras2torch.errors import Reason, UnsupportedModel, UsageError
from keras2torch.options import ConversionOptions, InputShape
from keras2torch.source.added_losses import without_added_losses
from keras2torch.source.keras1_config import in_keras2_spelling, kept_by_keras2
from keras2torch.source.keras1_merge import has_group
from keras2torch.source.keras1_weights import in_keras2_layout
from keras2torch.source.model import Generation, SourceModel, StoredWeight
from keras2torch.source.theano import as_correlations, backend_reasons, with_own_padding
from keras2torch.source.weight_owners import keras2_count

Config = dict[str, Any]


def in_one_spelling(source: SourceModel, options: ConversionOptions) -> SourceModel:
    """The same model; weights stay in the file wherever a view will do.

    Options are for what a file does not say: where it says otherwise, the file is believed, and the option is
    `unused`. Raises `BadConfig` for what is no configuration of Keras 1, `UsageError` for the shape of an input that
    the model does not have, `UnsupportedModel` for kernels that cannot be told from other weights.
    """
    unused = dict(source.unused)
    if options.backend and source.backend and options.backend != source.backend:
        unused["backend"] = (
            f"--backend {options.backend} was not used: the file says that it was trained on {source.backend}"
        )
    config: Mapping[str, Any] = source.config
    if source.generation is Generation.KERAS1:
        config = in_keras2_spelling(config, list(source.weights))
    elif source.generation is Generation.KERAS2:
        config = kept_by_keras2(config)
    if (source.backend or options.backend) == "theano":
        config = with_own_padding(config)
    config = _named(config, list(source.weights))
    if options.input_shape and (why := _knows_its_inputs(config)):
        unused["input_shape"] = f"--input-shape was not used: {why}"
    elif options.input_shape:
        config = _given_shape(config, options.input_shape[0])
    weights = dict(source.weights)
    if source.generation is Generation.TF_KERAS:
        config, gone = without_added_losses(config)
        weights = {name: each for name, each in weights.items() if name not in gone}
    for entry in _layers_of(config):
        name = _name_of(entry)
        if name in weights and source.generation is Generation.KERAS1:
            weights[name] = in_keras2_layout(entry, weights[name])
        if name in weights and (source.backend or options.backend) == "theano":
            weights[name] = _correlating(entry, name, weights[name])
    return replace(source, config=config, weights=weights, unused=unused)


def reasons_of(source: SourceModel, options: ConversionOptions) -> list[Reason]:
    """Why a model `in_one_spelling` cannot be converted though its layers may."""
    return backend_reasons(source, options.backend)


def _correlating(
    entry: Mapping[str, Any], name: str, stored: tuple[StoredWeight, ...]
) -> tuple[StoredWeight, ...]:
    turned = as_correlations(entry, stored, keras2_count)
    if turned is None:
        why = "trained on Theano, and which of its weights are kernels of convolutions is not known"
        class_name = str(entry.get("class_name"))
        raise UnsupportedModel([Reason("unsupported-backend", name, class_name, why, "backend")])
    return turned


# ----------------------------------------------------------------------------------------------------- names


def _named(config: Mapping[str, Any], groups: Sequence[str]) -> Config:
    """A Sequential as a list does not name the models in it: they get the names of their groups, by place."""
    return {**config, "config": _with_names(config.get("config"), groups)}


def _with_names(model: Any, groups: Sequence[str]) -> Any:
    layers = model if isinstance(model, list) else model.get("layers") if isinstance(model, Mapping) else None
    if not isinstance(layers, list) or any(not isinstance(layer, Mapping) for layer in layers):
        return model
    stored = [layer for layer in layers if has_group(layer)]
    by_place = dict(zip(map(id, stored), groups, strict=True)) if len(stored) == len(groups) else {}
    taken = {_name_of(layer) for layer in layers}
    named = []
    for layer in layers:
        inner = layer.get("config")
        if isinstance(inner, list):
            entry = {**layer, "config": _with_names(inner, ())}
            if not _name_of(layer):
                entry["name"] = by_place.get(id(layer)) or _new_name(str(layer.get("class_name")), taken)
                taken.add(entry["name"])
            named.append(entry)
        elif isinstance(inner, Mapping) and "layers" in inner:
            named.append({**layer, "config": _with_names(inner, ())})
        else:
            named.append(layer)
    return named if isinstance(model, list) else {**model, "layers": named}


def _new_name(class_name: str, taken: set[str]) -> str:
    number = 1
    while f"{class_name.lower()}_{number}" in taken:
        number += 1
    return f"{class_name.lower()}_{number}"


def _name_of(layer: Mapping[str, Any]) -> str:
    config = layer.get("config")
    name = layer.get("name") or (config.get("name") if isinstance(config, Mapping) else None)
    return name if isinstance(name, str) else ""


def _layers_of(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    model = config.get("config")
    layers = model if isinstance(model, list) else model.get("layers") if isinstance(model, Mapping) else None
    return [layer for layer in layers if isinstance(layer, Mapping)] if isinstance(layers, list) else []


# ---------------------------------------------------------------------------------------------------- shapes


def _knows_its_inputs(config: Mapping[str, Any]) -> str | None:
    """Why a model needs no input shape from the caller; None for a Sequential that was never given one."""
    model, layers = config.get("config"), _layers_of(config)
    if config.get("class_name") != "Sequential" or not layers:
        return "the model is no Sequential, so its inputs have shapes"
    inner = layers[0].get("config")
    if not isinstance(inner, Mapping) or "layers" in inner:
        return _knows_its_inputs(layers[0])
    built = isinstance(model, Mapping) and model.get("build_input_shape")
    shape = inner.get("batch_input_shape") or inner.get("batch_shape") or built
    return f"the model takes {shape}, batch axis first" if shape else None


def _given_shape(config: Mapping[str, Any], shape: InputShape) -> Config:
    """A Sequential that was never given an input shape, with the one that the caller gives."""
    layers = _layers_of(config)
    first, inner = layers[0], layers[0]["config"]
    if _layers_of(first):
        return _beginning_with(config, _given_shape(first, shape))
    names = (_name_of(first), f"{_name_of(first)}_input", "1")
    if shape.input not in names:
        raise UsageError(f"--input-shape: the only input is 1, {names[1]!r}")
    return _beginning_with(config, {**first, "config": {**inner, "batch_input_shape": [None, *shape.shape]}})


def _beginning_with(config: Mapping[str, Any], first: Config) -> Config:
    """A Sequential with another first layer."""
    model = config["config"]
    entries = [first, *_layers_of(config)[1:]]
    return {**config, "config": entries if isinstance(model, list) else {**model, "layers": entries}}
