"""The architectures of keras.applications, so that the weights published for them can be read without Keras."""

from __future__ import annotations

import json
import lzma
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from keras2torch.errors import UsageError, WeightsOnly
from keras2torch.options import Architecture
from keras2torch.source.h5file import H5File

PREFIX = "applications:"
DATA = "applications.json.xz"
_PUBLISHED_CLASSES = 1000


@cache
def _texts() -> Mapping[str, str]:
    packed = files("keras2torch.source").joinpath(DATA).read_bytes()
    known: dict[str, str] = json.loads(lzma.decompress(packed))
    return known


def names() -> list[str]:
    """Every application that is known."""
    return sorted(_texts())


def variants(name: str) -> list[dict[str, Any]]:
    """The application with its classifier and without: {"weighted": layers that hold weights, "model": its to_json}."""
    found: list[dict[str, Any]] = json.loads(_texts()[name])
    return found


def application(architecture: Architecture, file: H5File) -> bytes:
    """The JSON of the application that is meant, with a classifier or without, as the weights in `file` need it.

    Raises `UsageError` for a name that is not known, `WeightsOnly` where the file fits neither.
    """
    name = known_name(architecture)
    both = variants(name)
    found, classes = file.weighted_layers()
    for variant in both:
        if variant["weighted"] == found:
            return json.dumps(_with_classes(variant["model"], classes)).encode()
    counts = " or ".join(str(variant["weighted"]) for variant in both)
    raise WeightsOnly(f"{found} layers with weights, where {name} has {counts}")


def known_name(architecture: Architecture) -> str:
    """The application's name as Keras spells it. Raises `UsageError` for one that is not known."""
    name = architecture.name.removeprefix(PREFIX)
    known = {key.lower(): key for key in names()}
    if name.lower() not in known:
        raise UsageError(f"no application {name!r}; known are {', '.join(names())}")
    return known[name.lower()]


def _with_classes(model: dict[str, Any], classes: int | None) -> dict[str, Any]:
    """The model with a classifier for so many classes; published weights are for a thousand."""
    if classes is None or classes == _PUBLISHED_CLASSES:
        return model
    layers = []
    for layer in model["config"]["layers"]:
        config = dict(layer["config"])
        for key in ("units", "filters"):
            if config.get(key) == _PUBLISHED_CLASSES and layer["name"] == model["classifier"]:
                config[key] = classes
        if layer["class_name"] == "Reshape" and list(config["target_shape"])[-1] == _PUBLISHED_CLASSES:
            config["target_shape"] = [*list(config["target_shape"])[:-1], classes]
        layers.append({**layer, "config": config})
    return {**model, "config": {**model["config"], "layers": layers}}
