"""Which Keras wrote a configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from keras2torch.errors import BadConfig
from keras2torch.source.model import Generation


def generation_of(keras_version: str | None, config: Mapping[str, Any]) -> Generation:
    """Decide by the recorded version, and check it against the shape of the configuration.

    A missing version means Keras 1 (its loaders used the absence as the sign). Raises `BadConfig` where version and
    structure contradict each other: guessing would pick the wrong semantics in silence.
    """
    version = keras_version or "1"
    major = version.split(".", 1)[0]
    if major == "1":
        generation = Generation.KERAS1
    elif major == "2":
        found = re.match(r"2\.([0-9]{1,4})(\D|$)", version)
        minor = int(found[1]) if found else 0
        tf = version.endswith("-tf") or minor >= 5 or version == "2.4.0"
        generation = Generation.TF_KERAS if tf else Generation.KERAS2
    elif re.fullmatch(r"[3-9][0-9]{0,3}", major):
        generation = Generation.KERAS3
    else:
        raise BadConfig(f"keras_version {version!r} is not known")
    evidence = next(_keras3_signs(config.get("config")), None)
    if evidence and generation is not Generation.KERAS3:
        raise BadConfig(f"keras_version {version!r}, but the configuration is that of Keras 3 ({evidence})")
    return generation


def older_than(minor: int, generation: Generation, keras_version: str | None) -> bool:
    """Whether a file is known to be of a tf.keras before 2.`minor`."""
    found = re.match(r"2\.(\d{1,4})(\D|$)", keras_version or "")
    return generation is Generation.TF_KERAS and found is not None and int(found[1]) < minor


def _keras3_signs(config: Any) -> Iterator[str]:
    layers = config.get("layers") if isinstance(config, Mapping) else config
    for layer in layers if isinstance(layers, list) else ():
        if not isinstance(layer, Mapping):
            continue
        inner = layer.get("config")
        if isinstance(inner, Mapping) and "batch_shape" in inner:
            yield "batch_shape"
        nodes = layer.get("inbound_nodes")
        # tf.keras has an object for a call by names, of a nested model: the names are its keys.
        if isinstance(nodes, list) and nodes and isinstance(nodes[0], Mapping) and "args" in nodes[0]:
            yield "inbound_nodes as objects"
