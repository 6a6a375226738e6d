"""`.keras` files, of Keras 3 and of tf.keras from 2.12 on: a configuration as JSON and weights as HDF5 in one zip."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras2torch import errors
from keras2torch.source import arriving
from keras2torch.source.archive import Zip
from keras2torch.source.generation import generation_of
from keras2torch.source.h5file import H5File
from keras2torch.source.jsontext import parse_object
from keras2torch.source.limits import Limits
from keras2torch.source.model import SourceModel

_KERAS = ("keras.", "tf_keras.", "tensorflow.keras.", "tensorflow.python.keras.")
"""Not keras_nlp or keras_cv, whose layers have some names of Keras's own."""


def read_keras_zip(path: Path, data: memoryview, limits: Limits) -> SourceModel:
    """The model in an archive whose bytes are `data`. Raises `RefusedFile`."""
    archive = Zip(data, limits)
    config = parse_object(bytes(archive.read("config.json", limits.config_bytes)), limits)
    metadata = parse_object(bytes(archive.read("metadata.json", limits.config_bytes)), limits)
    version = metadata.get("keras_version")
    if not isinstance(version, str):
        raise errors.BadConfig("metadata.json does not say which Keras wrote the file")
    compiled = config.get("compile_config")
    config = with_own_classes(config)
    generation = generation_of(version, config)
    if "model.weights.h5" not in archive.members and "model.weights.json" in archive.members:
        raise errors.ForbiddenStorage("weights in several files, which is not supported: save them in one")
    stored = archive.members.get("model.weights.h5")
    most = limits.compressed_bytes if stored is not None and stored.packed else limits.file_bytes
    weights = archive.read("model.weights.h5", most, in_parts=True)
    with arriving.within(archive.place("model.weights.h5")):
        arriving.need(0, min(8, len(weights)))
        if bytes(weights[:8]) != b"\x89HDF\r\n\x1a\n":
            raise errors.NotHDF5("model.weights.h5 is not an HDF5 file")
        by_layer = H5File(weights, limits).saved_state(config, generation)
    return SourceModel(
        path=path,
        content=np.frombuffer(data, dtype=np.uint8),
        format="keras-zip",
        generation=generation,
        keras_version=version,
        backend=None,
        config=config,
        weights=by_layer,
        each_layer=True,
        compiled=compiled if isinstance(compiled, Mapping) else None,
    )


def with_own_classes(value: Any) -> Any:
    """The configuration with classes that are not Keras's under their registered name, as `.h5` files have layers.

    Elsewhere (in archives, and for objects in options since tf.keras 2.12) a class is told by module and name, so
    somebody's own `Dense` is called Dense too.
    """
    if isinstance(value, list):
        return [with_own_classes(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    new = {key: with_own_classes(item) for key, item in value.items()}
    if isinstance(new.get("class_name"), str) and "module" in new and "registered_name" in new:
        module, registered = new["module"], new["registered_name"]
        ours = module == "builtins" or (isinstance(module, str) and f"{module}.".startswith(_KERAS))
        if not ours:
            name = registered if isinstance(registered, str) else f"{module}>{new['class_name']}"
            new["class_name"] = name if ">" in name else f"{module or 'custom'}>{name}"
    return new
