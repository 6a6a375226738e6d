"""Where fuzzing begins: small sound inputs of each kind, made here; no file of anybody else's."""

from __future__ import annotations

import json
import random
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from keras2torch.layers._registry import Example, LayerRule, converts_all
from keras2torch.source.model import Generation
from tests.crafted import Config, call, call3, dense_model, functional, layer, names, numbers, tensor3
from tests.emit.golden_models import MODELS, write_golden_model
from tests.emit.test_mutated_configs import mutated
from tests.source.test_keras_zip import archive

_VERSIONS = {Generation.KERAS3: "3.15.1", Generation.TF_KERAS: "2.15.0", Generation.KERAS2: "2.2.4"}


def seeds(target: str) -> list[bytes]:
    """The sound inputs of a target."""
    return list(_files() if target == "reader" else map(_packed, documents()))


def mutated_document(data: bytes, seed: int) -> bytes:
    """A document with something in it moved, copied, removed or replaced, so that it stays one; else `data`."""
    try:
        document = json.loads(data)
        return _packed(mutated(document, random.Random(seed)))
    except (ValueError, IndexError, RecursionError):
        return data


def documents() -> Iterator[Config]:
    """Models by their configuration: those whose source is looked at whole, and one of every layer."""
    for make, version in MODELS.values():
        yield {"keras_version": version, "model_config": make()}
    for rule in converts_all():
        for example in rule.examples[:2]:
            generation = example.only or max(rule.generations, key=lambda each: each.value)
            yield {
                "keras_version": _VERSIONS.get(generation, "2.15.0"),
                "model_config": _alone(rule, example),
            }


def _alone(rule: LayerRule, example: Example) -> Config:
    """A model of one layer on inputs of its own."""
    third = example.only is Generation.KERAS3
    shape = "batch_shape" if third else "batch_input_shape"
    inputs = [f"in{number}" for number in range(len(example.shapes))]
    layers = [
        layer("InputLayer", name, **{shape: [example.batch, *extents]})
        for name, extents in zip(inputs, example.shapes, strict=True)
    ]
    config: dict[str, Any] = {**example.config}
    for key, inner in (("layer", example.inner),):
        if inner is not None:
            config[key] = layer(inner[0], "inner", **inner[1])
    wired = call3([tensor3(name) for name in inputs]) if third else call(*inputs)
    layers.append(layer(rule.name, "layer", wired, **config))
    return functional(layers, [[name, 0, 0] for name in inputs], [["layer", 0, 0]])


def _packed(document: Config) -> bytes:
    # Examples may hold what only Keras writes down, such as functions.
    return json.dumps(document, default=repr).encode()


def _files() -> Iterator[bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for libver in ("earliest", "v108", "latest"):
            yield dense_model(folder / "m.h5", libver=libver).read_bytes()
            yield dense_model(folder / "m.h5", libver=libver, vlen=False, edit=_repacked).read_bytes()
        for model in MODELS:
            yield write_golden_model(folder, model).read_bytes()
        for packing in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield archive(folder / "m.keras", packing=packing).read_bytes()


def _repacked(file: h5py.File) -> None:
    owner = file["model_weights/dense/dense"]
    del owner["kernel:0"]
    owner.create_dataset("kernel:0", data=numbers(3, 2), chunks=(2, 2), compression="gzip", shuffle=True)
    file["model_weights"].attrs["layer_names0"] = names(["dense"])
    del file["model_weights"].attrs["layer_names"]
